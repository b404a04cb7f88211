// The worker's loop. Invariant: operations are carried out only between batches, when nothing of a
// packet is held; the SAD and the SPD are touched by this thread alone.
#include "esp/worker.h"

#include <sys/epoll.h>

#include <algorithm>
#include <csignal>
#include <ctime>

namespace culvert::esp {
namespace {

constexpr std::uint32_t kWakeTag = 0, kDeviceTag = 1, kFirstSocketTag = 2;
constexpr int kTick_ms = 1'000;
constexpr std::size_t kDevicePacketsPerTurn = 256;
constexpr std::size_t kReceivesPerTurn = 4;

TimePoint clock_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return TimePoint(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

// The kept packets that may leave once `op` is done; nullopt: it helps none.
std::optional<Outbound::Release> release_of(const SadOp& op) {
  if (const auto* policy = std::get_if<InstallPolicy>(&op))
    return Outbound::Release{{}, SelectorSet(policy->remote_ts)};
  if (const auto* policy = std::get_if<UpdatePolicy>(&op))
    return Outbound::Release{policy->policy, {}};
  return std::nullopt;
}

// The inbound SA that `op` brings.
struct Arrival {
  IpsecProtocol protocol;
  std::uint32_t spi;
};
std::optional<Arrival> arrival_of(const SadOp& op) {
  const auto* install = std::get_if<InstallSa>(&op);
  if (!install || install->direction != Direction::in) return std::nullopt;
  return Arrival{install->protocol, install->spi};
}

}  // namespace

Worker::Worker(const WorkerOptions& options, Tun& tun, std::vector<OuterSocket>& sockets,
               NoticeQueue& notices, Inbound::IkeSink ike_sink)
    : options_(options),
      tun_(tun),
      sockets_(sockets),
      cipher_backend_(engine_.describe()),
      database_(
          engine_,
          [mark = options.mark](const Endpoint& local, const Endpoint& remote) {
            return path_mtu(local, remote, mark);
          },
          [this](const IpAddress& destination) { return interface_to(destination); }),
      ike_sink_(std::move(ike_sink)),
      inbound_({database_, notices, tun, drops_}, tun.offloads(), ike_sink_, options.nat_t_port),
      outbound_({database_, notices, tun, drops_}, choose_sockets()),
      device_buffer_(Tun::kMaxRead),
      wake_(make_event()) {
  thread_ = std::thread([this] { run(); });
}

std::string Worker::interface_to(const IpAddress& destination) {
  if (!netlink_)
    if (auto opened = Netlink::open()) netlink_ = std::move(*opened);
  return netlink_ ? netlink_->interface_to(destination, options_.mark) : std::string();
}

Worker::~Worker() {
  stopping_ = true;
  signal_event(wake_);
  thread_.join();
}

OuterSockets Worker::choose_sockets() const {
  OuterSockets chosen;
  for (OuterSocket& socket : sockets_) {
    const bool v4 = socket.family() == Family::v4;
    if (socket.kind() == OuterSocket::Kind::raw_esp)
      (v4 ? chosen.raw4 : chosen.raw6) = &socket;
    else if (socket.kind() == OuterSocket::Kind::raw_ip)
      (v4 ? chosen.ip4 : chosen.ip6) = &socket;
    else if (socket.port() == options_.nat_t_port)
      (v4 ? chosen.udp4 : chosen.udp6) = &socket;
  }
  return chosen;
}

Result<> Worker::apply(SadOp&& op, std::shared_ptr<PairStatistics> statistics) {
  ++guests_;
  Result<> result;
  {
    const auto release = release_of(op);
    const auto arrival = arrival_of(op);
    const std::lock_guard lock(turn_);
    result = database_.apply(std::move(op), std::move(statistics));
    inbound_count_ = database_.inbound_count();
    outbound_count_ = database_.outbound_count();
    adapt_device_mtu();
    if (result && release) outbound_.release_held(*release, clock_now());
    if (result && arrival) inbound_.release_early(arrival->protocol, arrival->spi, clock_now());
  }
  if (--guests_ == 0) guests_.notify_one();
  return result;
}

// A mutex alone would let a busy worker take its turn again and again.
void Worker::let_guests_in() {
  for (int waiting = guests_; waiting != 0; waiting = guests_) guests_.wait(waiting);
}

void Worker::adapt_device_mtu() {
  const auto limit = database_.smallest_inner_limit();
  if (!options_.adapt_mtu || !limit) return;
  const auto mtu =
      static_cast<unsigned>(std::clamp<std::size_t>(*limit, Tun::kMinMtu, Tun::kMaxMtu));
  if (mtu != device_mtu_ && tun_.set_mtu(mtu)) device_mtu_ = mtu;
}

void Worker::watch(int epoll, int fd, std::uint32_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u32 = tag;
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

void Worker::run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals are the control thread's
  const FileDescriptor epoll(epoll_create1(EPOLL_CLOEXEC));
  watch(epoll.get(), wake_.get(), kWakeTag);
  watch(epoll.get(), tun_.fd(), kDeviceTag);
  for (std::uint32_t i = 0; i < sockets_.size(); ++i)
    watch(epoll.get(), sockets_[i].fd(), kFirstSocketTag + i);
  TimePoint next_tick = clock_now() + std::chrono::milliseconds(kTick_ms);
  for (;;) {
    epoll_event events[16];
    const int count = epoll_wait(epoll.get(), events, std::size(events), kTick_ms);
    if (stopping_) return;
    let_guests_in();
    const std::lock_guard lock(turn_);
    const TimePoint now = clock_now();
    for (int i = 0; i < count; ++i) serve(events[i].data.u32, now);
    if (now < next_tick) continue;
    next_tick = now + std::chrono::milliseconds(kTick_ms);
    tick(now);
  }
}

void Worker::serve(std::uint32_t tag, TimePoint now) {
  if (tag == kDeviceTag) return read_device(now);
  read_socket(sockets_[tag - kFirstSocketTag], now);
}

void Worker::read_device(TimePoint now) {
  for (std::size_t i = 0; i < kDevicePacketsPerTurn; ++i) {
    VirtioHeader header;
    MutableBytes packet;
    if (!tun_.read(device_buffer_, header, packet)) break;
    outbound_.packet(header, packet, now);
  }
  outbound_.flush(now);
  if (outbound_.take_mtu_changed()) adapt_device_mtu();
}

void Worker::read_socket(OuterSocket& socket, TimePoint now) {
  for (std::size_t i = 0; i < kReceivesPerTurn; ++i) {
    const auto buffers = batch_.receive(socket);
    for (const Received& buffer : buffers) inbound_.received(socket.kind(), buffer, now);
    inbound_.flush(now);
    if (buffers.size() < ReceiveBatch::kMessages) return;
  }
}

void Worker::tick(TimePoint now) {
  outbound_.tick(now);
  if (database_.refresh_active_mtus()) adapt_device_mtu();
}

}  // namespace culvert::esp
