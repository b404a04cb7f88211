#include "ikev2/groups.h"

#include "eap/packet.h"
#include "ikev2/establishment.h"

namespace culvert::ikev2 {
namespace {

std::string list_of(const std::vector<std::string>& groups) {
  std::string text;
  for (const std::string& group : groups)
    text += (text.empty() ? "" : ", ") + eap::printable(group);
  return text.empty() ? "none" : text;
}

}  // namespace

bool choose_by_groups(Host& host, IkeSa& sa, const AuthExchange& exchange,
                      const std::vector<std::string>& groups) {
  ConnectionTable::PeerQuery query;
  query.local = sa.local.address;
  query.remote = sa.remote.address;
  query.my_id = sa.local_id;
  query.their_id = sa.remote_id;
  query.agreed = &sa.suite;
  query.groups = &groups;
  query.proven_by = sa.connection.get();
  if (auto answer = host.connections().by_identity(query); answer.connection) {
    sa.connection = std::move(answer.connection);
    return true;
  }
  // The connection may have been unloaded meanwhile; then it still stands for those without groups.
  if (sa.connection->remote.groups.empty()) return true;
  const std::string user = sa.eap_user.empty() ? to_string(sa.remote_id) : sa.eap_user;
  refuse_peer(host, sa, exchange.message_id, wire::NotifyType::authentication_failed,
              trace::NotInGroup{eap::printable(user), list_of(groups),
                                list_of(sa.connection->remote.groups)});
  return false;
}

}  // namespace culvert::ikev2
