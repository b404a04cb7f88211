// The SAD and the SPD of one worker (RFC 4301, 4.4): what operations change and packets look up.
// One thread only. Invariant: pointers that lookups return stay good until the next apply().
#pragma once

#include <functional>
#include <map>

#include "esp/notices.h"
#include "esp/policy_index.h"
#include "esp/sa.h"

namespace culvert::esp {

struct Policy {
  PolicyId id;
  SaPairId pair;             // zero: trap
  Mode mode = Mode::tunnel;  // of its SA, or pass or drop
  std::string interface;     // that packets would leave by without it; empty: any
  TimePoint next_acquire = TimePoint::min();
};

class Database {
 public:
  // The MTU of the path between two addresses.
  using PathMtu = std::function<unsigned(const Endpoint& local, const Endpoint& remote)>;

  // The interface that packets for an address leave by, when no policy stands in their way.
  using InterfaceTo = std::function<std::string(const IpAddress& destination)>;

  Database(CipherEngine& engine, PathMtu path_mtu, InterfaceTo interface_to = nullptr)
      : engine_(engine), path_mtu_(std::move(path_mtu)), interface_to_(std::move(interface_to)) {}

  // `statistics` belongs to the pair that an InstallSa names; null for other operations. Errors:
  // unsupported (mode, protocol, cipher), invalid_argument, not_found.
  Result<> apply(SadOp&& op, std::shared_ptr<PairStatistics> statistics);

  InboundSa* inbound(std::uint32_t spi);
  OutboundSa* outbound(SaPairId pair);
  struct Match {
    Policy* policy = nullptr;
    bool elsewhere = false;  // one that would match is bound to another interface
  };
  Match policy(const PacketSide& local, const PacketSide& remote, const IpAddress& destination);
  // Whether a policy covers both addresses, but only some of their protocols or ports.
  bool partly_covered(const PacketSide& local, const PacketSide& remote) const {
    return index_.partly_covers(local, remote);
  }

  // Changes with every operation, for caches.
  std::uint64_t generation() const { return generation_; }
  // The smallest inner limit of all outbound SAs; nullopt without any.
  std::optional<std::size_t> smallest_inner_limit() const;
  // Looks at the path again; true when the SA's limit changed.
  bool refresh_mtu(OutboundSa& sa);
  // The same for SAs that sent since the last call, a bounded number at a time.
  bool refresh_active_mtus();

  std::size_t inbound_count() const { return inbound_.size(); }
  std::size_t outbound_count() const { return outbound_.size(); }

 private:
  Result<> install(InstallSa& op, std::shared_ptr<PairStatistics> statistics);
  Result<> install_inbound(InstallSa& op, const TransformParameters& parameters,
                           std::shared_ptr<PairStatistics> statistics);
  Result<> install_outbound(InstallSa& op, const TransformParameters& parameters,
                            std::shared_ptr<PairStatistics> statistics);
  Result<> update(const UpdateSa& op);
  Result<> remove(const DeleteSa& op);
  Result<> install(const InstallPolicy& op);
  Result<> update(const UpdatePolicy& op);
  Result<> remove(const DeletePolicy& op);
  void set_limit(OutboundSa& sa, unsigned outer_mtu);
  void forget_limit(const OutboundSa& sa);
  double jitter();

  CipherEngine& engine_;
  PathMtu path_mtu_;
  InterfaceTo interface_to_;
  std::unordered_map<std::uint32_t, std::unique_ptr<InboundSa>> inbound_;
  std::unordered_map<SaPairId, std::uint32_t> inbound_spi_;
  std::unordered_map<SaPairId, std::unique_ptr<OutboundSa>> outbound_;
  std::unordered_map<PolicyId, Policy> policies_;
  std::size_t bound_policies_ = 0;  // to an interface
  PolicyIndex index_;
  std::map<std::size_t, std::size_t> limits_;  // inner limit: how many SAs
  std::vector<SaPairId> to_refresh_;
  std::uint64_t generation_ = 1;
};

}  // namespace culvert::esp
