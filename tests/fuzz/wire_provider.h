// A provider for tests of the codec alone: XOR with a key stream, and a checksum over all that
// must be authenticated. It has no security at all.
#pragma once

#include <algorithm>

#include "crypto/provider.h"

namespace culvert::wire::testing {

class ChecksumProvider final : public Provider {
 public:
  bool supports(const CipherSpec&) const override { return true; }
  bool supports(Prf) const override { return false; }
  bool supports(Ke) const override { return false; }

  void random(MutableBytes out) override {
    for (std::uint8_t& octet : out) octet = next_octet(random_);
  }

  Result<> prf(Prf, ByteView, std::initializer_list<ByteView>, MutableBytes) override {
    return fail(Fault::internal, Reason::unsupported);
  }
  Result<> hash(Hash, std::initializer_list<ByteView>, MutableBytes) override {
    return fail(Fault::internal, Reason::unsupported);
  }
  Result<> aes128_block(ByteView, ByteView, MutableBytes) override {
    return fail(Fault::internal, Reason::unsupported);
  }
  Result<std::unique_ptr<KeyExchange>> generate(Ke) override {
    return fail(Fault::internal, Reason::unsupported);
  }

  Result<PublicKeyRef> load_public_key(ByteView) override {
    return fail(Fault::internal, Reason::unsupported);
  }
  Result<> verify(const PublicKey&, const SignatureScheme&, std::initializer_list<ByteView>,
                  ByteView) override {
    return fail(Fault::internal, Reason::unsupported);
  }

  Result<> seal(const CipherSpec&, const Operands& operands, MutableBytes data,
                MutableBytes icv) override {
    ++seals;
    apply_stream(operands, data);
    const Bytes tag = checksum(operands, data, icv.size());
    std::ranges::copy(tag, icv.begin());
    return {};
  }
  Result<> open(const CipherSpec&, const Operands& operands, MutableBytes data,
                ByteView icv) override {
    if (verifies && !equal(checksum(operands, data, icv.size()), icv))
      return fail(Fault::peer_misbehaved, Reason::bad_integrity);
    apply_stream(operands, data);
    return {};
  }

  bool verifies = true;  // false lets a fuzzer reach what lies behind the check
  int seals = 0;

 private:
  static std::uint64_t mix(std::uint64_t state, ByteView octets) {
    for (const std::uint8_t octet : octets) state = (state ^ octet) * 0x100000001b3;
    return (state ^ octets.size()) * 0x100000001b3;
  }
  static std::uint8_t next_octet(std::uint64_t& state) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return static_cast<std::uint8_t>(state >> 56);
  }
  static void apply_stream(const Operands& operands, MutableBytes data) {
    std::uint64_t state = mix(mix(0xcbf29ce484222325, operands.encryption_key), operands.iv);
    for (std::uint8_t& octet : data) octet ^= next_octet(state);
  }
  static Bytes checksum(const Operands& operands, ByteView data, std::size_t size) {
    std::uint64_t state = 0xcbf29ce484222325;
    for (const ByteView part : {operands.encryption_key, operands.integrity_key, operands.iv,
                                operands.aad, operands.suffix, data})
      state = mix(state, part);
    Bytes tag(size);
    for (std::uint8_t& octet : tag) octet = next_octet(state);
    return tag;
  }
  std::uint64_t random_ = 1;
};

}  // namespace culvert::wire::testing
