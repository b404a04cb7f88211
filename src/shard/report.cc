// A shard's answers to questions.
#include "ikev2/child.h"
#include "ikev2/tasks.h"
#include "shard/impl.h"

namespace culvert {
namespace {

// strongSwan's names.
const char* state_name(ikev2::ChildState state) {
  switch (state) {
    case ikev2::ChildState::installed:
      return "INSTALLED";
    case ikev2::ChildState::rekeying:
      return "REKEYING";
    case ikev2::ChildState::rekeyed:
      return "REKEYED";
    case ikev2::ChildState::deleting:
      return "DELETING";
    case ikev2::ChildState::lingering:
      return "DELETED";
  }
  return "";
}

ChildSaStatus status_of(const IkeSa& sa, const ikev2::ChildSa& child) {
  ChildSaStatus status;
  status.name = child.config->name;
  status.config = child.config;
  status.unique_id = child.unique_id;
  status.reqid = child.reqid;
  status.state = state_name(child.state);
  status.mode = child.mode;
  status.protocol = child.protocol;
  status.udp_encap = sa.udp_encap;
  status.spi_in = child.spi_in;
  status.spi_out = child.spi_out;
  status.suite = child.suite;
  status.pair = child.pair;
  status.local_ts = child.local_ts;
  status.remote_ts = child.remote_ts;
  status.mark_in = ikev2::mark_of(child, Direction::in);
  status.mark_out = ikev2::mark_of(child, Direction::out);
  status.if_id_in = ikev2::if_id_of(sa, child, Direction::in);
  status.if_id_out = ikev2::if_id_of(sa, child, Direction::out);
  status.cpi_in = child.cpi_in;
  status.cpi_out = child.cpi_out;
  status.installed = child.installed;
  status.rekey_at = child.rekey_at;
  status.expires_at = child.expires_at;
  return status;
}

std::string state_name(const IkeSa& sa) {
  const auto* up = sa.in<ikev2::Established>();
  if (!up) return sa.closed() && sa.established != kNever ? "DELETING" : "CONNECTING";
  if (std::holds_alternative<ikev2::DeleteIke>(up->in_flight)) return "DELETING";
  if (std::holds_alternative<ikev2::IkeRequest>(up->in_flight)) return "REKEYING";
  return sa.rekeyed ? "REKEYED" : "ESTABLISHED";
}

// Without the CHILD SAs.
IkeSaStatus ike_status_of(const IkeSa& sa) {
  IkeSaStatus status;
  if (sa.connection) {
    status.name = sa.connection->name;
    status.if_id_in = sa.connection->if_id_in;
    status.if_id_out = sa.connection->if_id_out;
    if (sa.connection->local.kind == AuthKind::eap) status.local_eap_id = sa.eap_user;
    if (sa.connection->remote.kind == AuthKind::eap) status.remote_eap_id = sa.eap_user;
  }
  if (sa.assigned)
    (sa.assigned->ours ? status.local_vips : status.remote_vips) = sa.assigned->addresses;
  status.unique_id = sa.unique_id;
  status.state = state_name(sa);
  status.local = sa.local;
  status.remote = sa.remote;
  status.local_id = to_string(sa.local_id);
  status.remote_id = to_string(sa.remote_id);
  status.initiator = sa.is_initiator();
  status.spi_i = sa.spi_i;
  status.spi_r = sa.spi_r;
  status.nat_local = sa.nat_local;
  status.nat_remote = sa.nat_remote;
  status.nat_fake = sa.nat_fake;
  status.suite = sa.suite;
  status.created = sa.created;
  status.established = sa.established;
  status.rekey_at = sa.rekey_at;
  status.reauth_at = sa.reauth_at;
  status.tasks_queued = ikev2::queued_task_names(sa);
  status.tasks_active = ikev2::active_task_names(sa);
  return status;
}

IkeSaStatus status_of(const IkeSa& sa) {
  IkeSaStatus status = ike_status_of(sa);
  for (const ikev2::ChildSa& child : sa.children) status.children.push_back(status_of(sa, child));
  return status;
}

}  // namespace

void Shard::Impl::up_down(const IkeSa& sa, bool up, std::optional<std::size_t> child) {
  outputs_.push_back(UpDown{up, child, status_of(sa)});
}

void Shard::Impl::ike_rekeyed(const IkeSa& old, const IkeSa& successor) {
  IkeSaRekeyed news{ike_status_of(old), ike_status_of(successor)};
  news.old.state = "REKEYING";  // as charon has it at this moment
  outputs_.push_back(SaNews{std::move(news)});
}

void Shard::Impl::child_rekeyed(const IkeSa& sa, std::size_t old, std::size_t successor) {
  IkeSaStatus status = ike_status_of(sa);
  for (const std::size_t child : {old, successor})
    status.children.push_back(status_of(sa, sa.children[child]));
  outputs_.push_back(SaNews{ChildSaRekeyed{std::move(status)}});
}

void Shard::Impl::endpoints_changing(const IkeSa& sa, const Endpoint& local,
                                     const Endpoint& remote) {
  outputs_.push_back(SaNews{EndpointsChanging{local, remote, ike_status_of(sa)}});
}

std::vector<IkeSaStatus> Shard::Impl::list_sas(TimePoint) const {
  std::vector<IkeSaStatus> all;
  all.reserve(sas_.size());
  sas_.for_each([&](SaHandle, const IkeSa& sa) { all.push_back(status_of(sa)); });
  return all;
}

std::vector<PolicyStatus> Shard::Impl::list_policies() const {
  std::vector<PolicyStatus> all;
  for (const auto& [name, trap] : traps_)
    all.push_back({name.second, name.first, trap.child->mode, true, trap.local_ts, trap.remote_ts});
  sas_.for_each([&](SaHandle, const IkeSa& sa) {
    for (const ikev2::ChildSa& child : sa.children)
      if (child.config->policies)
        all.push_back({child.config->name, sa.connection->name, child.mode, false, child.local_ts,
                       child.remote_ts});
  });
  return all;
}

ShardStatistics Shard::Impl::statistics() const {
  return {sas_.size(), sas_.size() - static_cast<std::size_t>(by_identity_.size()),
          pair_owner_.size(), child_spis_.size(), fragment_pool_.octets};
}

}  // namespace culvert
