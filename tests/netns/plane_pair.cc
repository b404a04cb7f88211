// One end of a tunnel with static keys, to try the userspace plane between two network namespaces:
//   plane_pair A|B LOCAL REMOTE LOCAL_NET REMOTE_NET udp|native [gcm128|gcm256|chacha|cbc] [esn]
// Both ends run until SIGINT or SIGTERM and then print what they carried.
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <string_view>

#include "esp/userspace_plane.h"

namespace culvert {
namespace {

constexpr SaPairId kPair{1};
constexpr PolicyId kPolicy{1};

CipherSpec cipher_of(std::string_view name) {
  if (name == "gcm256") return {Encr::aes_gcm_16, 256, Integ::none};
  if (name == "chacha") return {Encr::chacha20_poly1305, 0, Integ::none};
  if (name == "cbc") return {Encr::aes_cbc, 256, Integ::hmac_sha2_256_128};
  return {Encr::aes_gcm_16, 128, Integ::none};
}

Key key_of(std::size_t size, std::uint8_t seed) {
  Bytes octets(size);
  for (auto& octet : octets) octet = seed = static_cast<std::uint8_t>(seed * 5 + 1);
  return Key(octets);
}

TrafficSelector selector_of(std::string_view text) {
  const Prefix prefix = Prefix::parse(text).value();
  return {prefix.first(), prefix.last()};
}

struct End {
  bool is_a;
  InstallSa base;

  InstallSa sa(Direction direction) const {
    InstallSa op;
    op.pair = kPair;
    op.direction = direction;
    op.cipher = base.cipher;
    op.esn = base.esn;
    op.local = base.local;
    op.remote = base.remote;
    op.udp_encap = base.udp_encap;
    op.local_ts = base.local_ts;
    op.remote_ts = base.remote_ts;
    const bool a_to_b = is_a == (direction == Direction::out);
    op.spi = a_to_b ? 0x10001 : 0x20002;
    const auto sizes = sizes_of(op.cipher).value();
    op.keys = {key_of(sizes.key, a_to_b ? 3 : 7), key_of(sizes.integ_key, a_to_b ? 13 : 17)};
    return op;
  }
};

void print_notice(const SadNotice& notice) {
  if (std::holds_alternative<Acquire>(notice)) fmt::print("acquire\n");
  if (const auto* change = std::get_if<MappingChange>(&notice))
    fmt::print("mapping change: {}\n", change->remote.to_string());
  if (const auto* expire = std::get_if<Expire>(&notice))
    fmt::print("expire: {}\n", expire->hard ? "hard" : "soft");
}

int run(const End& end) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  auto plane = esp::UserspacePlane::start({}, [](const Datagram& datagram) {
    fmt::print("IKE: {} octets from {}\n", datagram.payload.size(), datagram.remote.to_string());
  });
  if (!plane) {
    fmt::print(stderr, "{}\n", plane.error());
    return 1;
  }
  InstallPolicy policy;
  policy.policy = kPolicy;
  policy.pair = kPair;
  policy.local_ts = end.base.local_ts;
  policy.remote_ts = end.base.remote_ts;
  if (!(*plane)->apply(end.sa(Direction::in)) || !(*plane)->apply(end.sa(Direction::out)) ||
      !(*plane)->apply(std::move(policy))) {
    fmt::print(stderr, "the plane refused an operation\n");
    return 1;
  }
  const int stop = signalfd(-1, &signals, SFD_CLOEXEC);
  pollfd waiting[] = {{stop, POLLIN, 0}, {(*plane)->notice_fd(), POLLIN, 0}};
  while (poll(waiting, 2, -1) >= 0 && waiting[0].revents == 0)
    for (const SadNotice& notice : (*plane)->take_notices()) print_notice(notice);
  const auto counters = (*plane)->counters(kPair).value();
  fmt::print("in: {} packets, {} octets; out: {} packets, {} octets; replayed {}, forged {}\n",
             counters.in.packets, counters.in.bytes, counters.out.packets, counters.out.bytes,
             counters.replayed, counters.integrity_failed);
  for (const std::string& line : (*plane)->describe()) fmt::print("{}\n", line);
  return 0;
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  using namespace culvert;
  if (argc < 7) {
    fmt::print(stderr, "see the head of plane_pair.cc\n");
    return 2;
  }
  End end;
  end.is_a = std::string_view(argv[1]) == "A";
  end.base.udp_encap = std::string_view(argv[6]) == "udp";
  const std::uint16_t port = end.base.udp_encap ? 4'500 : 0;
  end.base.local = {IpAddress::parse(argv[2]).value(), port};
  end.base.remote = {IpAddress::parse(argv[3]).value(), port};
  end.base.local_ts = {selector_of(argv[4])};
  end.base.remote_ts = {selector_of(argv[5])};
  end.base.cipher = cipher_of(argc > 7 ? argv[7] : "gcm128");
  end.base.esn = argc > 8 && std::string_view(argv[8]) == "esn";
  return run(end);
}
