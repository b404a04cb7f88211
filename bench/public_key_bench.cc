// The public-key operations that a set-up with certificates costs a responder at the least, each
// alone: X25519 with a fresh key pair, a signature made and one verified. `bench_public_key KEY`.
#include <fmt/core.h>

#include <fstream>
#include <iterator>

#include "bench/cpu_time.h"
#include "crypto/openssl_provider.h"
#include "crypto/private_key.h"

namespace culvert {
namespace {

constexpr int kRounds = 2'000;

// Microseconds of one call; nullopt when a call fails.
template <class Operation>
std::optional<double> microseconds_of(Operation&& operation) {
  const double before = bench::cpu_seconds();
  for (int round = 0; round < kRounds; ++round)
    if (!operation()) return std::nullopt;
  return (bench::cpu_seconds() - before) * 1e6 / kRounds;
}

int run(const PrivateKey& key) {
  const auto provider = make_openssl_provider();
  const auto known = provider->load_public_key(key.spki());
  const auto scheme = choose_scheme({key.kind(), key.bits(), false}, kAnnouncedHashes);
  const auto peer = provider->generate(Ke::x25519);
  if (!known || !scheme || !peer) return fmt::print("this key can't sign\n"), 1;
  const Bytes octets(1'000, 7);
  Bytes signature;
  const auto agreement = microseconds_of([&] {
    auto own = provider->generate(Ke::x25519);
    return own && (*own)->derive((*peer)->public_value()).has_value();
  });
  const auto signing = microseconds_of([&] {
    auto made = key.sign(*scheme, {octets});
    if (made) signature = std::move(*made);
    return made.has_value();
  });
  const auto verifying = microseconds_of(
      [&] { return provider->verify(**known, *scheme, {octets}, signature).has_value(); });
  if (!agreement || !signing || !verifying) return fmt::print("an operation failed\n"), 1;
  fmt::print("{:.0f} us: X25519 {:.0f}, signing {:.0f}, verifying {:.0f}\n",
             *agreement + *signing + *verifying, *agreement, *signing, *verifying);
  return 0;
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  std::ifstream file(argc == 2 ? argv[1] : "", std::ios::binary);
  const culvert::Bytes octets(std::istreambuf_iterator<char>(file), {});
  const auto key = culvert::PrivateKey::load(octets);
  if (!key) return fmt::print("usage: bench_public_key KEY (a file with a private key)\n"), 2;
  return culvert::run(*key);
}
