// What ESP costs a packet: seal and open, in place, in bursts of 32 as the data plane works, by
// cipher and size of the inner packet. CPU time of one thread.
#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "bench/cpu_time.h"
#include "esp/transform.h"
#include "policy/proposal.h"

namespace culvert::esp {
namespace {

constexpr std::size_t kBurst = 32;
constexpr std::size_t kSizes[] = {64, 256, 1'400};
constexpr double kSecondsEach = 0.05;
constexpr int kRounds = 5;  // the best of them counts: the machine may be shared

SaKeys keys_for(const CipherSpec& spec) {
  const CipherSizes sizes = *sizes_of(spec);
  SaKeys keys;
  keys.encryption.assign(Bytes(sizes.key, 0x2a));
  keys.integrity.assign(Bytes(sizes.integ_key, 0x17));
  return keys;
}

struct Cost {
  double seal_ns = 0, open_ns = 0;
};

// One SA's two ends, and a burst of packets going through them.
class Track {
 public:
  Track(CipherEngine& engine, const CipherSpec& spec, std::size_t size)
      : sealer_(*Sealer::make(engine, {0x1001, spec, false, 4'096}, keys_for(spec))),
        opener_(*Opener::make(engine, {0x1001, spec, false, 4'096}, keys_for(spec))),
        size_(size),
        packets_(kBurst, Bytes(sealer_.sealed_size(size))) {}

  bool seal() {
    for (std::size_t i = 0; i < kBurst; ++i) {
      auto op = sealer_.prepare(packets_[i].data(), size_, 4);
      if (!op) return false;
      ops_[i] = *op;
    }
    sealer_.seal(ops_);
    return true;
  }
  bool open() {
    for (std::size_t i = 0; i < kBurst; ++i)
      if (opener_.examine(packets_[i], ops_[i]) != Opener::Verdict::ok) return false;
    opener_.open(ops_);
    return std::ranges::all_of(ops_, [&](const CryptoOp& op) {
      return opener_.accept(op).verdict == Opener::Verdict::ok;
    });
  }
  std::string_view backend() const { return sealer_.backend(); }

 private:
  Sealer sealer_;
  Opener opener_;
  std::size_t size_;
  std::vector<Bytes> packets_;
  std::array<CryptoOp, kBurst> ops_{};
};

// Opening needs fresh packets, so each round seals and opens, timed apart.
bool measure(Track& track, Cost& best) {
  best = {1e9, 1e9};
  for (int round = 0; round < kRounds; ++round) {
    double seal = 0, open = 0;
    std::size_t packets = 0;
    while (seal + open < kSecondsEach / kRounds) {
      const double start = bench::cpu_seconds();
      if (!track.seal()) return false;
      const double middle = bench::cpu_seconds();
      if (!track.open()) return false;
      seal += middle - start;
      open += bench::cpu_seconds() - middle;
      packets += kBurst;
    }
    best.seal_ns = std::min(best.seal_ns, seal * 1e9 / static_cast<double>(packets));
    best.open_ns = std::min(best.open_ns, open * 1e9 / static_cast<double>(packets));
  }
  return true;
}

constexpr const char* kProposals[] = {
    "aes128gcm16",      "aes192gcm16",    "aes256gcm16",   "aes128ccm16",   "aes256ccm16",
    "chacha20poly1305", "aes128-sha256",  "aes256-sha256", "aes256-sha512", "aes128-sha1",
    "aes128ctr-sha256", "aes128-aesxcbc", "aes128-aescmac"};

int run() {
  CipherEngine engine;
  fmt::print("{:<18} {:<14} {:>24} {:>24} {:>24}\n", "ESP cipher", "backend", "64 octets",
             "256 octets", "1400 octets");
  fmt::print("{:<33} {:>24} {:>24} {:>24}\n", "seal / open, ns a packet", "", "", "");
  for (const char* text : kProposals) {
    const Proposal proposal = *parse_proposal(text, wire::ProtocolId::esp);
    const CipherSpec spec{proposal.encr[0].id, proposal.encr[0].key_bits,
                          proposal.integ.empty() ? Integ::none : proposal.integ[0]};
    std::string line;
    std::string_view backend;
    for (const std::size_t size : kSizes) {
      Track track(engine, spec, size);
      Cost cost;
      if (!measure(track, cost)) return fmt::print("{}: a packet did not open\n", text), 1;
      line += fmt::format(" {:>24}", fmt::format("{:.0f} / {:.0f}", cost.seal_ns, cost.open_ns));
      backend = track.backend();
    }
    fmt::print("{:<18} {:<14}{}\n", text, backend, line);
  }
  return 0;
}

}  // namespace
}  // namespace culvert::esp

int main() { return culvert::esp::run(); }
