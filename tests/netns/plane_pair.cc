// One end of an SA pair with static keys, to try the userspace plane between two network namespaces
// without IKE:
//   plane_pair A|B LOCAL REMOTE LOCAL_TS REMOTE_TS [WORD ...]
// Words: udp, transport, ah, esn, ipcomp, padded (to the MTU), demand (SAs come when a packet asks
// for them), and a cipher: gcm256, chacha, cbc, sha256, xcbc. Selectors are written as in
// connections: "10.1.0.0/16", "192.0.2.1[tcp]". Both ends run until SIGINT or SIGTERM and then
// print what they carried.
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <string_view>

#include "esp/userspace_plane.h"

namespace culvert {
namespace {

constexpr SaPairId kPair{1};
constexpr PolicyId kPolicy{1};

class Words {
 public:
  Words(char** from, char** to) : words_(from, to) {}
  bool has(std::string_view word) const { return std::ranges::find(words_, word) != words_.end(); }

 private:
  std::vector<std::string_view> words_;
};

CipherSpec cipher_of(const Words& words) {
  if (words.has("ah"))
    return {Encr::none, 0, words.has("xcbc") ? Integ::aes_xcbc_96 : Integ::hmac_sha2_256_128};
  if (words.has("gcm256")) return {Encr::aes_gcm_16, 256, Integ::none};
  if (words.has("chacha")) return {Encr::chacha20_poly1305, 0, Integ::none};
  if (words.has("cbc")) return {Encr::aes_cbc, 256, Integ::hmac_sha2_256_128};
  return {Encr::aes_gcm_16, 128, Integ::none};
}

Key key_of(std::size_t size, std::uint8_t seed) {
  Bytes octets(size);
  for (auto& octet : octets) octet = seed = static_cast<std::uint8_t>(seed * 5 + 1);
  return Key(octets);
}

struct End {
  bool is_a = false, demand = false;
  InstallSa base;

  InstallSa sa(Direction direction) const {
    InstallSa op;
    op.pair = kPair;
    op.direction = direction;
    op.protocol = base.protocol;
    op.mode = base.mode;
    op.cipher = base.cipher;
    op.esn = base.esn;
    op.local = base.local;
    op.remote = base.remote;
    op.udp_encap = base.udp_encap;
    op.local_ts = base.local_ts;
    op.remote_ts = base.remote_ts;
    op.cpi = base.cpi;
    op.tfc_padding = base.tfc_padding;
    const bool a_to_b = is_a == (direction == Direction::out);
    op.spi = a_to_b ? 0x10001 : 0x20002;
    const auto sizes = sizes_of(op.cipher).value();
    op.keys = {key_of(sizes.key, a_to_b ? 3 : 7), key_of(sizes.integ_key, a_to_b ? 13 : 17)};
    return op;
  }
  InstallPolicy policy(SaPairId pair) const {
    InstallPolicy op;
    op.policy = kPolicy;
    op.pair = pair;
    op.local_ts = base.local_ts;
    op.remote_ts = base.remote_ts;
    op.mode = base.mode;
    return op;
  }
  bool install_sas(esp::UserspacePlane& plane) const {
    return plane.apply(sa(Direction::in)) && plane.apply(sa(Direction::out));
  }
  bool start(esp::UserspacePlane& plane) const {
    if (demand) return plane.apply(policy({})).has_value();
    return install_sas(plane) && plane.apply(policy(kPair));
  }
};

void notice(const SadNotice& notice, const End& end, esp::UserspacePlane& plane) {
  if (std::holds_alternative<Acquire>(notice)) {
    fmt::print("acquire\n");
    if (!end.install_sas(plane) || !plane.apply(UpdatePolicy{kPolicy, kPair}))
      fmt::print("refused\n");
  }
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
  if (!end.start(**plane)) {
    fmt::print(stderr, "the plane refused an operation\n");
    return 1;
  }
  fmt::print("ready\n");
  std::fflush(stdout);
  const int stop = signalfd(-1, &signals, SFD_CLOEXEC);
  pollfd waiting[] = {{stop, POLLIN, 0}, {(*plane)->notice_fd(), POLLIN, 0}};
  while (poll(waiting, 2, -1) >= 0 && waiting[0].revents == 0)
    for (const SadNotice& one : (*plane)->take_notices()) notice(one, end, **plane);
  const auto counters = (*plane)->counters(kPair).value_or(SaPairCounters{});
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
  if (argc < 6) {
    fmt::print(stderr, "see the head of plane_pair.cc\n");
    return 2;
  }
  const Words words(argv + 6, argv + argc);
  End end;
  end.is_a = std::string_view(argv[1]) == "A";
  end.demand = words.has("demand");
  end.base.protocol = words.has("ah") ? IpsecProtocol::ah : IpsecProtocol::esp;
  end.base.mode = words.has("transport") ? Mode::transport : Mode::tunnel;
  end.base.udp_encap = words.has("udp");
  const std::uint16_t port = end.base.udp_encap ? 4'500 : 0;
  end.base.local = {IpAddress::parse(argv[2]).value(), port};
  end.base.remote = {IpAddress::parse(argv[3]).value(), port};
  end.base.local_ts = {parse_selector(argv[4]).value().selector};
  end.base.remote_ts = {parse_selector(argv[5]).value().selector};
  end.base.cipher = cipher_of(words);
  end.base.esn = words.has("esn");
  end.base.cpi = words.has("ipcomp") ? 0x1234 : 0;
  end.base.tfc_padding = words.has("padded") ? kPadToMtu : 0;
  return run(end);
}
