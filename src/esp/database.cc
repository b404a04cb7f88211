// Applies operations to the SAD and SPD. Invariant: an operation that fails changes nothing.
#include "esp/database.h"

#include <algorithm>

#include "esp/refusals.h"

namespace culvert::esp {
namespace {

constexpr std::size_t kRefreshesPerCall = 64;

std::unexpected<Error> refuse(Reason reason) { return fail(Fault::internal, reason); }

}  // namespace

Result<> Database::apply(SadOp&& op, std::shared_ptr<PairStatistics> statistics) {
  ++generation_;
  return std::visit(
      [&](auto& concrete) -> Result<> {
        using Op = std::decay_t<decltype(concrete)>;
        if constexpr (std::is_same_v<Op, InstallSa>)
          return install(concrete, std::move(statistics));
        else if constexpr (std::is_same_v<Op, InstallPolicy>)
          return install(concrete);
        else if constexpr (std::is_same_v<Op, UpdateSa> || std::is_same_v<Op, UpdatePolicy>)
          return update(concrete);
        else
          return remove(concrete);
      },
      op);
}

Result<> Database::install(InstallSa& op, std::shared_ptr<PairStatistics> statistics) {
  const bool ah = op.protocol == IpsecProtocol::ah;
  if (!setting_for_kernel(op).empty() || (ah && op.udp_encap))
    return fail(Fault::local_policy, Reason::unsupported);
  if (op.mode != Mode::tunnel && op.mode != Mode::transport)
    return refuse(Reason::invalid_argument);
  if (op.spi == 0 || op.remote.address.family() != op.local.address.family() ||
      op.remote.address.is_none())
    return refuse(Reason::invalid_argument);
  const TransformParameters parameters{op.spi,           op.cipher,   op.esn,
                                       op.replay_window, op.protocol, op.remote.address.family()};
  return op.direction == Direction::in ? install_inbound(op, parameters, std::move(statistics))
                                       : install_outbound(op, parameters, std::move(statistics));
}

Result<> Database::install_inbound(InstallSa& op, const TransformParameters& parameters,
                                   std::shared_ptr<PairStatistics> statistics) {
  if (inbound_.contains(op.spi) || inbound_spi_.contains(op.pair))
    return refuse(Reason::invalid_argument);
  auto opener = TRY(Opener::make(engine_, parameters, op.keys));
  inbound_.emplace(op.spi, std::make_unique<InboundSa>(InboundSa{
                               op.pair, op.spi, op.protocol, op.mode, std::move(opener),
                               SelectorSet(op.local_ts), SelectorSet(op.remote_ts), op.remote,
                               op.udp_encap, Usage(op.lifetime, jitter()), std::move(statistics),
                               op.cpi, op.copy_ecn, op.copy_dscp}));
  inbound_spi_.emplace(op.pair, op.spi);
  return {};
}

Result<> Database::install_outbound(InstallSa& op, const TransformParameters& parameters,
                                    std::shared_ptr<PairStatistics> statistics) {
  if (outbound_.contains(op.pair)) return refuse(Reason::invalid_argument);
  auto sealer = TRY(Sealer::make(engine_, parameters, op.keys));
  auto sa = std::make_unique<OutboundSa>(
      OutboundSa{op.pair, op.protocol, op.mode, std::move(sealer), op.local, op.remote,
                 op.udp_encap, Usage(op.lifetime, jitter()), std::move(statistics), op.cpi,
                 op.tfc_padding, op.copy_df, op.copy_ecn, op.copy_dscp});
  set_limit(*sa, path_mtu_(op.local, op.remote));
  outbound_.emplace(op.pair, std::move(sa));
  return {};
}

Result<> Database::update(const UpdateSa& op) {
  if (op.remote.address.family() != op.local.address.family() || op.remote.address.is_none())
    return refuse(Reason::invalid_argument);
  OutboundSa* out = outbound(op.pair);
  const auto spi = inbound_spi_.find(op.pair);
  if (!out && spi == inbound_spi_.end()) return refuse(Reason::not_found);
  if (out && out->protocol == IpsecProtocol::ah && op.udp_encap)
    return fail(Fault::local_policy, Reason::unsupported);
  if (out) {
    forget_limit(*out);
    out->local = op.local;
    out->remote = op.remote;
    out->udp_encap = op.udp_encap;
    out->sealer.align_for(op.remote.address.family());
    set_limit(*out, path_mtu_(op.local, op.remote));
  }
  if (spi != inbound_spi_.end()) {
    InboundSa& in = *inbound_.at(spi->second);
    in.remote = op.remote;
    in.next_mapping = TimePoint::min();
    in.udp_encap = op.udp_encap;
  }
  return {};
}

Result<> Database::remove(const DeleteSa& op) {
  if (op.direction == Direction::in) {
    const auto spi = inbound_spi_.find(op.pair);
    if (spi == inbound_spi_.end()) return refuse(Reason::not_found);
    inbound_.erase(spi->second);
    inbound_spi_.erase(spi);
    return {};
  }
  const auto sa = outbound_.find(op.pair);
  if (sa == outbound_.end()) return refuse(Reason::not_found);
  forget_limit(*sa->second);
  outbound_.erase(sa);
  return {};
}

Result<> Database::install(const InstallPolicy& op) {
  if (!setting_for_kernel(op).empty()) return fail(Fault::local_policy, Reason::unsupported);
  if (!policies_.emplace(op.policy, Policy{op.policy, op.pair, op.mode, op.interface}).second)
    return refuse(Reason::invalid_argument);
  if (!op.interface.empty()) ++bound_policies_;
  index_.insert(op.policy.value, op.local_ts, op.remote_ts, op.priority);
  return {};
}

Result<> Database::update(const UpdatePolicy& op) {
  const auto found = policies_.find(op.policy);
  if (found == policies_.end()) return refuse(Reason::not_found);
  found->second.pair = op.pair;
  return {};
}

Result<> Database::remove(const DeletePolicy& op) {
  const auto found = policies_.find(op.policy);
  if (found == policies_.end()) return refuse(Reason::not_found);
  if (!found->second.interface.empty()) --bound_policies_;
  policies_.erase(found);
  index_.erase(op.policy.value);
  return {};
}

InboundSa* Database::inbound(std::uint32_t spi) {
  const auto found = inbound_.find(spi);
  return found == inbound_.end() ? nullptr : found->second.get();
}

OutboundSa* Database::outbound(SaPairId pair) {
  const auto found = outbound_.find(pair);
  return found == outbound_.end() ? nullptr : found->second.get();
}

Database::Match Database::policy(const PacketSide& local, const PacketSide& remote,
                                 const IpAddress& destination) {
  Match match;
  std::optional<std::string> leaves_by;  // asked of the kernel at most once
  PolicyIndex::Admits admits;
  if (bound_policies_ != 0)
    admits = [&](std::uint64_t value) {
      const std::string& wanted = policies_.at(PolicyId{value}).interface;
      if (wanted.empty()) return true;
      if (!leaves_by) leaves_by = interface_to_ ? interface_to_(destination) : std::string();
      match.elsewhere |= wanted != *leaves_by;
      return wanted == *leaves_by;
    };
  const auto value = index_.find(local, remote, admits);
  if (!value) return match;
  const auto found = policies_.find(PolicyId{*value});
  if (found != policies_.end()) match.policy = &found->second;
  return match;
}

std::optional<std::size_t> Database::smallest_inner_limit() const {
  if (limits_.empty()) return std::nullopt;
  return limits_.begin()->first;
}

void Database::set_limit(OutboundSa& sa, unsigned outer_mtu) {
  sa.set_outer_mtu(outer_mtu);
  ++limits_[sa.inner_limit];
}

void Database::forget_limit(const OutboundSa& sa) {
  const auto found = limits_.find(sa.inner_limit);
  if (--found->second == 0) limits_.erase(found);
}

bool Database::refresh_mtu(OutboundSa& sa) {
  const unsigned mtu = path_mtu_(sa.local, sa.remote);
  if (mtu == sa.outer_mtu) return false;
  forget_limit(sa);
  set_limit(sa, mtu);
  return true;
}

bool Database::refresh_active_mtus() {
  if (to_refresh_.empty())
    for (auto& [pair, sa] : outbound_)
      if (std::exchange(sa->sent_lately, false)) to_refresh_.push_back(pair);
  bool changed = false;
  for (std::size_t i = 0; i < kRefreshesPerCall && !to_refresh_.empty(); ++i) {
    if (OutboundSa* sa = outbound(to_refresh_.back())) changed |= refresh_mtu(*sa);
    to_refresh_.pop_back();
  }
  return changed;
}

double Database::jitter() {
  std::uint8_t octets[4];
  engine_.random(octets);
  return load_be<std::uint32_t>(octets) / 4294967296.0;
}

}  // namespace culvert::esp
