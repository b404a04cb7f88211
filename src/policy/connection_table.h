// Loaded connections, found without a walk over all of them: by name, as responder by addresses
// (before the peer said who it is) and then by identity.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "policy/connection.h"

namespace culvert {

class ConnectionTable {
 public:
  void add(ConnectionRef connection);  // replaces the one of the same name
  bool remove(const std::string& name);
  ConnectionRef find(const std::string& name) const;
  // The connection that has a child of this name; the first by connection name.
  ConnectionRef find_by_child(const std::string& child) const;
  std::size_t size() const { return by_name_.size(); }
  const std::map<std::string, ConnectionRef>& all() const { return by_name_; }

  // IKE_SA_INIT as responder: one connection of each distinct set of IKE proposals whose addresses
  // fit, most specific addresses first. `version` is 1 or 2. Connections that share addresses and
  // proposals count as one, so the result is short however many are loaded.
  std::vector<ConnectionRef> by_addresses(const IpAddress& local, const IpAddress& remote,
                                          std::uint8_t version) const;

  struct PeerQuery {
    IpAddress local, remote;
    Identity my_id;  // any when the peer sent no IDr
    Identity their_id;
    const std::vector<Proposal>*
        ike_proposals;  // must equal the connection's (they were negotiated)
  };
  struct PeerAnswer {
    ConnectionRef connection;  // best match, or nullptr
    // Why not, when null: no connection for these addresses, or which identity failed, with what
    // was expected instead ("remote identity is 'moon', connections accept: sun.example.org").
    std::string explanation;
  };
  // IKE_AUTH as responder: the best match by identities, exact before patterns.
  PeerAnswer by_identity(const PeerQuery& query) const;

 private:
  struct Group {  // equal addresses and proposals
    std::vector<ConnectionRef> members;
    std::unordered_multimap<std::string, ConnectionRef> by_remote_id;  // exact ones
    std::vector<ConnectionRef> by_pattern;
  };
  void index(const ConnectionRef& connection);
  void unindex(const ConnectionRef& connection);

  std::map<std::string, ConnectionRef> by_name_;
  std::map<std::string, std::vector<ConnectionRef>> by_child_;
  // Groups by remote address where it is a single one, else by the text of the patterns.
  std::unordered_map<IpAddress, std::vector<std::shared_ptr<Group>>> by_remote_address_;
  std::vector<std::shared_ptr<Group>> by_wide_address_;
};

}  // namespace culvert
