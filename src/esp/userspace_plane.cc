// Puts the plane together and serves the control thread. Invariants: routes lead into the device
// only while a policy stands behind them; the worker dies before what it uses.
#include "esp/userspace_plane.h"

#include <fmt/format.h>

#include <algorithm>

#include "esp/refusals.h"
#include "esp/routes.h"
#include "esp/worker.h"

namespace culvert::esp {
namespace {

constexpr unsigned kFirstMtu = 1'400;  // until the first SA tells what its path carries

using Start = std::expected<void, std::string>;

class Plane final : public UserspacePlane {
 public:
  explicit Plane(const PlaneOptions& options) : options_(options), notices_(make_event()) {}
  ~Plane() override {
    routes_.reset();  // first, so that packets take their old ways while the worker ends
    worker_.reset();
  }

  Start begin(IkeSink ike_sink);

  Result<> apply(SadOp&& op) override;
  std::string refusal() const override;
  std::optional<SaPairCounters> counters(SaPairId pair) override;
  std::vector<SadNotice> take_notices() override { return notices_.take(); }
  int notice_fd() const override { return notices_.fd(); }
  // Segmentation offloads work on UDP only; native ESP goes packet by packet.
  bool prefers_udp_encap() const override { return true; }
  Start set_interfaces(const std::vector<XfrmInterface>& wanted) override;
  void send_ike(const Datagram& datagram) override;
  void send_keepalive(const Endpoint& local, const Endpoint& remote) override;
  std::string address_device() const override { return tun_->name(); }
  std::vector<std::string> describe() const override;

 private:
  struct Pair {
    std::shared_ptr<PairStatistics> statistics = std::make_shared<PairStatistics>();
    bool in = false, out = false;
  };

  Start open_sockets();
  Start open_socket(OuterSocket::Kind kind, Family family, std::uint16_t port);
  Result<> carry_out(SadOp&& op);
  Result<> install(InstallSa&& op);
  Result<> remove(const DeleteSa& op);
  Result<> install(InstallPolicy&& op);

  const PlaneOptions options_;
  NoticeQueue notices_;
  std::optional<Tun> tun_;
  std::vector<OuterSocket> sockets_;
  std::vector<std::string> missing_;  // what the host lacks, for describe()
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<RouteTable> routes_;
  mutable std::mutex apply_mutex_;  // operations one at a time
  std::string refusal_;
  mutable std::mutex pairs_mutex_;
  std::unordered_map<SaPairId, Pair> pairs_;
};

Start Plane::open_socket(OuterSocket::Kind kind, Family family, std::uint16_t port) {
  bool no_family = false;
  auto socket = OuterSocket::open(kind, family, port, options_.mark, no_family);
  if (socket) {
    sockets_.push_back(std::move(*socket));
    return {};
  }
  // Without IPv6, or without raw sockets (UDP encapsulation is enough), the plane still serves.
  if ((family == Family::v6 && no_family) || kind != OuterSocket::Kind::udp) {
    missing_.push_back(std::move(socket.error()));
    return {};
  }
  return std::unexpected(std::move(socket.error()));
}

Start Plane::open_sockets() {
  for (const Family family : {Family::v4, Family::v6}) {
    std::vector<std::uint16_t> ports{options_.ike_port};
    if (options_.nat_t_port != options_.ike_port) ports.push_back(options_.nat_t_port);
    for (const std::uint16_t port : ports)
      CHECK_OK(open_socket(OuterSocket::Kind::udp, family, port));
    for (const auto kind :
         {OuterSocket::Kind::raw_esp, OuterSocket::Kind::raw_ah, OuterSocket::Kind::raw_ip})
      CHECK_OK(open_socket(kind, family, 0));
  }
  return {};
}

Start Plane::begin(IkeSink ike_sink) {
  if (notices_.fd() < 0) return std::unexpected("cannot create an eventfd");
  CHECK_OK(open_sockets());
  tun_.emplace(TRY(Tun::open(options_.device, options_.mtu != 0 ? options_.mtu : kFirstMtu)));
  if (strict_reverse_path())
    missing_.push_back(
        "packets from peers whose own address a policy protects (transport mode, 0.0.0.0/0): "
        "net.ipv4.conf.all.rp_filter is 1, set it to 2");
  routes_ = TRY(RouteTable::make(
      {options_.route_table, options_.rule_priority, options_.mark, tun_->index()}));
  try {
    worker_ = std::make_unique<Worker>(
        WorkerOptions{options_.mark, options_.nat_t_port, options_.mtu == 0}, *tun_, sockets_,
        notices_, std::move(ike_sink));
  } catch (const std::exception& error) {
    return std::unexpected(fmt::format("cannot start a data-plane worker: {}", error.what()));
  }
  return {};
}

Result<> Plane::install(InstallSa&& op) {
  const SaPairId id = op.pair;
  const bool in = op.direction == Direction::in;
  std::shared_ptr<PairStatistics> statistics;
  {
    const std::lock_guard lock(pairs_mutex_);
    statistics = pairs_[id].statistics;
  }
  const auto result = worker_->apply(std::move(op), std::move(statistics));
  const std::lock_guard lock(pairs_mutex_);
  const auto pair = pairs_.find(id);
  if (result)
    (in ? pair->second.in : pair->second.out) = true;
  else if (!pair->second.in && !pair->second.out)
    pairs_.erase(pair);
  return result;
}

Result<> Plane::remove(const DeleteSa& op) {
  CHECK_OK(worker_->apply(SadOp(op), nullptr));
  const std::lock_guard lock(pairs_mutex_);
  const auto pair = pairs_.find(op.pair);
  (op.direction == Direction::in ? pair->second.in : pair->second.out) = false;
  if (!pair->second.in && !pair->second.out) pairs_.erase(pair);
  return {};
}

// The policy first, so that no packet finds the device without one.
Result<> Plane::install(InstallPolicy&& op) {
  CHECK_OK(worker_->apply(SadOp(op), nullptr));
  auto routed = routes_->add(op);
  if (!routed) CHECK_OK(worker_->apply(DeletePolicy{op.policy}, nullptr));
  return routed;
}

std::string Plane::refusal() const {
  const std::lock_guard lock(apply_mutex_);
  return refusal_;
}

Result<> Plane::apply(SadOp&& op) {
  const std::lock_guard lock(apply_mutex_);
  refusal_.clear();
  std::visit(
      [this](const auto& one) {
        if constexpr (requires { setting_for_kernel(one); })
          if (const auto setting = setting_for_kernel(one); !setting.empty())
            refusal_ = needs_kernel(setting);
      },
      op);
  const bool deletes =
      std::holds_alternative<DeleteSa>(op) || std::holds_alternative<DeletePolicy>(op);
  auto result = carry_out(std::move(op));
  // What was refused is deleted all the same, when its owner goes.
  if (deletes && !result && result.error().reason == Reason::not_found) return {};
  return result;
}

Result<> Plane::carry_out(SadOp&& op) {
  if (auto* sa = std::get_if<InstallSa>(&op)) return install(std::move(*sa));
  if (auto* sa = std::get_if<DeleteSa>(&op)) return remove(*sa);
  if (auto* policy = std::get_if<InstallPolicy>(&op)) return install(std::move(*policy));
  if (auto* policy = std::get_if<DeletePolicy>(&op)) routes_->remove(policy->policy);
  return worker_->apply(std::move(op), nullptr);
}

SaCounters read_counters(const PublishedCounters& from) {
  return {from.bytes.load(std::memory_order_relaxed), from.packets.load(std::memory_order_relaxed),
          TimePoint(Duration(from.last_used.load(std::memory_order_relaxed)))};
}

std::optional<SaPairCounters> Plane::counters(SaPairId pair) {
  const std::lock_guard lock(pairs_mutex_);
  const auto found = pairs_.find(pair);
  if (found == pairs_.end()) return std::nullopt;
  const PairStatistics& statistics = *found->second.statistics;
  return SaPairCounters{read_counters(statistics.in), read_counters(statistics.out),
                        statistics.replayed.load(std::memory_order_relaxed),
                        statistics.integrity_failed.load(std::memory_order_relaxed),
                        statistics.selector_mismatch.load(std::memory_order_relaxed)};
}

Start Plane::set_interfaces(const std::vector<XfrmInterface>& wanted) {
  if (wanted.empty()) return {};
  return std::unexpected(needs_kernel("xfrm_interface " + wanted[0].name));
}

void Plane::send_ike(const Datagram& datagram) {
  culvert::esp::send_ike(sockets_, options_.nat_t_port, datagram);
}

void Plane::send_keepalive(const Endpoint& local, const Endpoint& remote) {
  culvert::esp::send_keepalive(sockets_, options_.nat_t_port, local, remote);
}

std::string describe_drops(const DropCounters& drops) {
  const std::pair<const char*, const std::atomic<std::uint64_t>*> reasons[] = {
      {"malformed", &drops.malformed},
      {"no policy", &drops.no_policy},
      {"denied by policy", &drops.denied},
      {"no SA in time", &drops.trapped},
      {"SA gone or used up", &drops.no_sa},
      {"too big for the path", &drops.too_big},
      {"sending failed", &drops.send_failed},
      {"unknown SPI", &drops.unknown_spi},
      {"replayed", &drops.replayed},
      {"bad integrity", &drops.bad_integrity},
      {"selector mismatch", &drops.selector_mismatch},
      {"illegal ECN", &drops.ecn},
      {"device refused", &drops.tun_refused},
  };
  std::string text;
  for (const auto& [name, count] : reasons)
    if (const auto value = count->load(std::memory_order_relaxed))
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", value, name);
  return text.empty() ? "none" : text;
}

std::vector<std::string> Plane::describe() const {
  const TunOffloads& offloads = tun_->offloads();
  const auto [inbound, outbound] = worker_->sa_counts();
  const auto any = [&](auto test) { return std::ranges::any_of(sockets_, test); };
  std::vector<std::string> lines{
      fmt::format("device: {} (offloads: {})", tun_->name(),
                  offloads.uso    ? "TSO, USO"
                  : offloads.tso4 ? "TSO"
                                  : "none"),
      fmt::format("UDP: {}, {}",
                  any([](const OuterSocket& socket) { return socket.segments(); })
                      ? "segmentation offload"
                      : "no segmentation offload",
                  any([](const OuterSocket& socket) { return socket.gro(); })
                      ? "receive offload"
                      : "no receive offload"),
      fmt::format("ciphers: {}", worker_->cipher_backend()),
      options_.workers == 1
          ? std::string("workers: 1")
          : fmt::format("workers: 1 ({} asked for; one serves all SAs)", options_.workers),
      fmt::format("SAs: {} inbound, {} outbound; routed prefixes: {}", inbound, outbound,
                  routes_->size()),
      fmt::format("drops: {}", describe_drops(worker_->drops()))};
  for (const std::string& missing : missing_) lines.push_back("missing: " + missing);
  return lines;
}

}  // namespace

std::expected<std::unique_ptr<UserspacePlane>, std::string> UserspacePlane::start(
    const PlaneOptions& options, IkeSink ike_sink) {
  auto plane = std::make_unique<Plane>(options);
  CHECK_OK(plane->begin(std::move(ike_sink)));
  return plane;
}

}  // namespace culvert::esp
