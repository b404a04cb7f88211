#include "eap/sim_keys.h"

#include <algorithm>

#include "eap/fips186_prf.h"
#include "eap/method.h"

namespace culvert::eap::sim {
namespace {

constexpr std::size_t kEncrSize = 16;
constexpr std::size_t kBlock = 32;        // of PRF'
constexpr std::size_t kXoredSqn = 6;      // SQN xor AK, the beginning of AUTN
constexpr std::uint8_t kKdfLabel = 0x20;  // FC of 3GPP TS 33.402, A.2

Result<Keys> keys_of_mk(ByteView master_key) {
  constexpr std::size_t kAutSize = 16;
  SecretBytes stream(160);
  fips186_prf(master_key, stream.mutable_view());
  Keys keys;
  keys.aut = SecretBytes(stream.view().subspan(kEncrSize, kAutSize));
  keys.msk = SecretBytes(stream.view().subspan(kEncrSize + kAutSize, kMskSize));
  return keys;
}

// PRF' of RFC 9048, 3.4.1: T1 | T2 | … with Ti = HMAC-SHA-256(key, Ti-1 | seed | i).
Result<SecretBytes> prf_prime(Provider& provider, ByteView key,
                              std::initializer_list<ByteView> seed, std::size_t size) {
  SecretBytes out((size + kBlock - 1) / kBlock * kBlock);
  Bytes whole;
  for (const ByteView part : seed) append(whole, part);
  ByteView before;
  std::uint8_t count = 1;
  for (std::size_t at = 0; at < out.size(); at += kBlock, ++count) {
    const MutableBytes block = out.mutable_view().subspan(at, kBlock);
    CHECK_OK(provider.prf(Prf::hmac_sha2_256, key, {before, whole, {&count, 1}}, block));
    before = block;
  }
  return out;
}

}  // namespace

Result<Keys> sim_keys(Provider& provider, std::string_view identity, ByteView kcs,
                      ByteView nonce_mt, ByteView version_list, std::uint16_t version) {
  SecretBytes master_key(kFips186Seed);
  std::array<std::uint8_t, 2> selected;
  store_be(selected.data(), version);
  CHECK_OK(provider.hash(Hash::sha1, {as_bytes(identity), kcs, nonce_mt, version_list, selected},
                         master_key.mutable_view()));
  return keys_of_mk(master_key.view());
}

Result<Keys> aka_keys(Provider& provider, std::string_view identity, ByteView ik, ByteView ck) {
  SecretBytes master_key(kFips186Seed);
  CHECK_OK(provider.hash(Hash::sha1, {as_bytes(identity), ik, ck}, master_key.mutable_view()));
  return keys_of_mk(master_key.view());
}

Result<Keys> aka_prime_keys(Provider& provider, std::string_view identity, ByteView ik, ByteView ck,
                            ByteView autn, ByteView network_name) {
  constexpr std::size_t kAutSize = 32, kReSize = 32;
  SecretBytes both(ck.size() + ik.size());
  const auto after_ck = std::ranges::copy(ck, both.mutable_view().begin());
  std::ranges::copy(ik, after_ck.out);
  // CK' | IK' = KDF(CK | IK, FC | network name | its length | SQN xor AK | 6)
  Bytes input{kKdfLabel};
  Writer out(input);
  out.bytes(network_name);
  out.u16(static_cast<std::uint16_t>(network_name.size()));
  out.bytes(autn.first(kXoredSqn));
  out.u16(kXoredSqn);
  SecretBytes primed(kBlock), swapped(kBlock);
  CHECK_OK(provider.prf(Prf::hmac_sha2_256, both.view(), {input}, primed.mutable_view()));
  std::ranges::rotate_copy(primed.view(), primed.view().begin() + kBlock / 2,
                           swapped.mutable_view().begin());  // IK' | CK'
  const SecretBytes stream =
      TRY(prf_prime(provider, swapped.view(), {as_bytes("EAP-AKA'"), as_bytes(identity)},
                    kEncrSize + kAutSize + kReSize + kMskSize));
  Keys keys;
  keys.mac = Prf::hmac_sha2_256;
  keys.aut = SecretBytes(stream.view().subspan(kEncrSize, kAutSize));
  keys.msk = SecretBytes(stream.view().subspan(kEncrSize + kAutSize + kReSize, kMskSize));
  return keys;
}

}  // namespace culvert::eap::sim
