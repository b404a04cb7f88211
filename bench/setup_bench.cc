// What an IKEv2 set-up (PSK, X25519, one CHILD SA) costs the responder, in process: CPU time of its
// shard alone, and memory of the SAs that stay. `bench_setup [COUNT]`.
#include <fmt/core.h>
#include <malloc.h>

#include <cstdlib>
#include <vector>

#include "bench/cpu_time.h"
#include "crypto/openssl_provider.h"
#include "shard/shard.h"

namespace culvert {
namespace {

std::size_t heap_octets() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

ConnectionConfig site(bool initiator) {
  ConnectionConfig connection;
  connection.name = "site";
  connection.proposals = {*parse_proposal("aes128gcm16-prfsha256-x25519", wire::ProtocolId::ike)};
  ChildConfig child;
  child.name = "net";
  child.local = {*parse_selector(initiator ? "10.1.0.0/16" : "10.2.0.0/16")};
  child.remote = {*parse_selector(initiator ? "10.2.0.0/16" : "10.1.0.0/16")};
  child.proposals = {*parse_proposal("aes128gcm16", wire::ProtocolId::esp)};
  connection.children = {child};
  return connection;
}

SharedSecret secret() {
  SharedSecret psk;
  psk.id = "psk";
  psk.secret = SecretBytes(as_bytes("a key that everybody has"));
  return psk;
}

// The responder's share of the work, counted apart.
struct Responder {
  std::unique_ptr<Provider> provider = make_openssl_provider();
  ShardOptions options = [] {
    ShardOptions o;
    o.cookie_threshold = o.max_half_open;  // the set-up itself is measured, not its defence
    o.max_half_open_per_address = o.max_half_open;
    return o;
  }();
  Shard shard{options, *provider};
  double cpu = 0;

  std::vector<Bytes> receive(const Datagram& datagram, TimePoint now) {
    std::vector<Bytes> answers;
    const double before = bench::cpu_seconds();
    shard.receive(datagram, now);
    for (;;) {
      Output output = shard.poll(now);
      if (std::holds_alternative<WaitUntil>(output)) break;
      if (auto* transmit = std::get_if<Transmit>(&output))
        answers.push_back(std::move(transmit->payload));
    }
    cpu += bench::cpu_seconds() - before;
    return answers;
  }
};

// One initiator of its own per set-up, thrown away afterwards.
bool set_up(Responder& responder, Provider& provider, std::uint32_t number, TimePoint now) {
  const IpAddress here = IpAddress::v4(0x0a000000u + number), there = IpAddress::v4(0xc0000202u);
  ShardOptions options;
  Shard initiator(options, provider);
  ConnectionConfig connection = site(true);
  const auto single = [](const IpAddress& address) {
    return AddressPattern{AddressPattern::Kind::range, address, address, {}};
  };
  connection.local_addrs = {single(here)};
  connection.remote_addrs = {single(there)};
  initiator.command(LoadSecret{secret()}, now);
  initiator.command(LoadConnection{std::make_shared<const ConnectionConfig>(std::move(connection))},
                    now);
  initiator.command(Initiate{{1}, "site", "net"}, now);
  for (;;) {
    Output output = initiator.poll(now);
    if (const auto* done = std::get_if<CommandDone>(&output)) return done->success;
    if (std::holds_alternative<WaitUntil>(output)) return false;
    const auto* transmit = std::get_if<Transmit>(&output);
    if (!transmit) continue;
    for (const Bytes& answer :
         responder.receive({transmit->remote, transmit->local, transmit->payload}, now))
      initiator.receive({transmit->local, transmit->remote, answer}, now);
  }
}

int run(std::uint32_t count) {
  Responder responder;
  const auto provider = make_openssl_provider();
  const TimePoint now{std::chrono::seconds(1'000)};
  responder.shard.command(LoadSecret{secret()}, now);
  responder.shard.command(LoadConnection{std::make_shared<const ConnectionConfig>(site(false))},
                          now);
  for (std::uint32_t i = 0; i < 100; ++i)  // warm-up: tables, pages
    if (!set_up(responder, *provider, i, now)) return fmt::print("a set-up failed\n"), 1;
  responder.cpu = 0;
  const std::size_t heap_before = heap_octets();
  for (std::uint32_t i = 100; i < 100 + count; ++i)
    if (!set_up(responder, *provider, i, now)) return fmt::print("a set-up failed\n"), 1;
  const double heap = static_cast<double>(heap_octets() - heap_before) / count;
  const double micros = responder.cpu * 1e6 / count;
  fmt::print("set-ups {}\n", count);
  fmt::print("responder CPU per set-up {:.1f} us, {:.0f} set-ups per CPU second\n", micros,
             1e6 / micros);
  fmt::print("heap per IKE SA with one CHILD SA {:.0f} octets\n", heap);
  return 0;
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  const long count = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 5'000;
  if (count < 1 || count > 1'000'000) return fmt::print("count: 1 to 1000000\n"), 2;
  return culvert::run(static_cast<std::uint32_t>(count));
}
