// Loaded connections, found without a walk over all of them: by name, as responder by addresses
// (before the peer said who it is) and then by identity.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "policy/connection.h"

namespace culvert {

struct BestPeer;  // the search for a peer's connection so far

class ConnectionTable {
 public:
  ConnectionTable() = default;
  ConnectionTable(ConnectionTable&&) = default;
  ConnectionTable& operator=(ConnectionTable&&) = default;

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
    const Suite* agreed;  // of IKE_SA_INIT: the connection's proposals must accept it; may be null
    std::uint8_t version = 2;
    // How the peer is about to prove itself: a connection that asks for this goes before others.
    std::optional<AuthKind> proof = std::nullopt;
    // When the peer has proven itself: the groups that it belongs to, and the connection by which
    // it has. Only those that ask for the same proofs can take that one's place.
    const std::vector<std::string>* groups = nullptr;
    const ConnectionConfig* proven_by = nullptr;
  };
  struct PeerAnswer {
    ConnectionRef connection;  // best match, or nullptr
    // Why not, when null: no connection for these addresses, or which identity failed, with what
    // was expected instead ("remote identity is 'moon', connections accept: sun.example.org").
    std::string explanation;
  };
  // IKE_AUTH as responder: the best match by identities, exact before patterns. Without one that
  // asks for the proof that is coming, it is one that will refuse it, and say so.
  PeerAnswer by_identity(const PeerQuery& query) const;

 private:
  using ByName = std::map<std::string, ConnectionRef>;
  struct Cell {  // the smallest prefixes around one remote and one local address pattern
    Prefix remote, local;
    bool operator==(const Cell&) const = default;
  };
  struct CellHash {
    std::size_t operator()(const Cell& cell) const noexcept;
  };
  struct Shape {  // the prefix lengths of a cell
    Family family;
    std::uint8_t remote_length, local_length;
    auto operator<=>(const Shape&) const = default;
  };
  struct Group {  // connections with equal version, addresses and proposals
    std::string proposals_key;
    ByName members;
    std::unordered_map<std::string, ByName> by_remote_id;  // exact ones, by index_key
    ByName by_pattern;
  };
  struct Candidate {
    const Group* group;
    int specificity;
  };
  static std::string group_key(const ConnectionConfig& connection);
  static std::vector<Cell> cells_of(const ConnectionConfig& connection);
  void index(const ConnectionRef& connection);
  void unindex(const ConnectionRef& connection);
  void place(const Cell& cell, Group* group);
  void displace(const Cell& cell, const Group* group);
  // Groups whose addresses fit, most specific first, then by the name of their first member.
  std::vector<Candidate> candidates(const IpAddress& local, const IpAddress& remote) const;
  static std::string explain(const std::vector<Candidate>& candidates, const PeerQuery& query);
  static void consider(const ByName& connections, const PeerQuery& query, int specificity,
                       BestPeer& best);
  static ConnectionRef best_of(const std::vector<Candidate>& candidates, const PeerQuery& query);

  ByName by_name_;
  std::map<std::string, ByName> by_child_;
  std::unordered_map<std::string, Group> groups_;  // by group_key; cells point into it
  std::unordered_map<Cell, std::vector<Group*>, CellHash> cells_;
  std::map<Shape, std::size_t> shapes_;  // how many cells have each
};

}  // namespace culvert
