// A crypto provider for simulation and fuzzing: fast, deterministic, and WITHOUT ANY SECURITY. It
// has the real algorithms' sizes, so that messages look as they would, and it can be made to fail
// in ways that the simulator's checkers must notice.
#pragma once

#include <functional>

#include "crypto/provider.h"
#include "sim/random.h"

namespace culvert::sim {

// 64-bit hash of octets; equal for equal concatenations.
class ToyHash {
 public:
  explicit ToyHash(std::uint64_t seed = 0) : state_(0xcbf29ce484222325u ^ seed) {}
  void add(ByteView octets) {
    for (const std::uint8_t octet : octets) state_ = (state_ ^ octet) * 0x100000001b3u;
    state_ ^= state_ >> 32;
  }
  void add(std::uint64_t value) {
    std::uint8_t octets[8];
    store_be(octets, value);
    add(ByteView(octets));
  }
  std::uint64_t value() const { return Random(state_).next(); }
  // Octets that depend on everything that was added.
  void squeeze(MutableBytes out) const { Random(state_).fill(out); }

 private:
  std::uint64_t state_;
};

// Deliberate mistakes.
struct ToyFaults {
  bool accept_any_tag = false;  // open() does not look at the tag
  bool ignore_secret = false;   // AUTH does not depend on the pre-shared key
};

// A signature that anyone can make who knows the public key.
Bytes toy_signature(ByteView spki, const SignatureScheme& scheme,
                    std::initializer_list<ByteView> parts);

class ToyProvider final : public Provider {
 public:
  explicit ToyProvider(std::uint64_t seed, ToyFaults faults = {})
      : random_(seed), faults_(faults) {}

  bool supports(const CipherSpec& spec) const override { return sizes_of(spec).has_value(); }
  bool supports(Prf prf) const override { return prf_size(prf).has_value(); }
  bool supports(Ke method) const override { return public_value_size(method).has_value(); }

  void random(MutableBytes out) override { random_.fill(out); }
  Result<> prf(Prf prf, ByteView key, std::initializer_list<ByteView> parts,
               MutableBytes out) override;
  Result<> hash(Hash hash, std::initializer_list<ByteView> parts, MutableBytes out) override;
  Result<> aes128_block(ByteView key, ByteView block, MutableBytes out) override;
  Result<std::unique_ptr<KeyExchange>> generate(Ke method) override;
  // Keys are real ones in form; only toy_signature() makes what verify() takes.
  Result<PublicKeyRef> load_public_key(ByteView spki) override;
  Result<> verify(const PublicKey& key, const SignatureScheme& scheme,
                  std::initializer_list<ByteView> parts, ByteView signature) override;
  Result<> seal(const CipherSpec& spec, const Operands& operands, MutableBytes data,
                MutableBytes icv) override;
  Result<> open(const CipherSpec& spec, const Operands& operands, MutableBytes data,
                ByteView icv) override;

  // What seal() did: the plaintext is as it was given.
  struct Sealed {
    const Operands& operands;
    ByteView plaintext;
    ByteView icv;
  };
  std::function<void(const Sealed&)> on_seal;

 private:
  Random random_;
  ToyFaults faults_;
};

}  // namespace culvert::sim
