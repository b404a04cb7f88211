#include "eap/fips186_prf.h"

#include <algorithm>
#include <bit>

#include "base/secret.h"

namespace culvert::eap {
namespace {

using Seed = std::array<std::uint8_t, kFips186Seed>;

// G(t, c): SHA-1's compression (FIPS 180-1, 7) of c and zeros, from SHA-1's initial state.
Seed compress(const Seed& c) {
  std::array<std::uint32_t, 80> words{};
  for (std::size_t i = 0; i < 5; ++i) words[i] = load_be<std::uint32_t>(c.data() + 4 * i);
  for (std::size_t i = 16; i < words.size(); ++i)
    words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
  const std::array<std::uint32_t, 5> initial{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                                             0xc3d2e1f0};
  auto [a, b, cc, d, e] = initial;
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::uint32_t f = b ^ cc ^ d, constant = i < 40 ? 0x6ed9eba1 : 0xca62c1d6;
    if (i < 20) {
      f = (b & cc) | (~b & d);
      constant = 0x5a827999;
    }
    if (i >= 40 && i < 60) {
      f = (b & cc) | (b & d) | (cc & d);
      constant = 0x8f1bbcdc;
    }
    const std::uint32_t next = std::rotl(a, 5) + f + e + constant + words[i];
    e = d;
    d = cc;
    cc = std::rotl(b, 30);
    b = a;
    a = next;
  }
  const std::array<std::uint32_t, 5> last{a, b, cc, d, e};
  Seed out;
  for (std::size_t i = 0; i < 5; ++i) store_be(out.data() + 4 * i, initial[i] + last[i]);
  secure_zero({reinterpret_cast<std::uint8_t*>(words.data()), sizeof(words)});
  return out;
}

// key = (1 + key + addend) mod 2^160
void advance(Seed& key, const Seed& addend) {
  unsigned carry = 1;
  for (std::size_t i = key.size(); i-- > 0; carry >>= 8) {
    carry += unsigned{key[i]} + addend[i];
    key[i] = static_cast<std::uint8_t>(carry);
  }
}

}  // namespace

void fips186_prf(ByteView seed, MutableBytes out) {
  Seed key{};
  std::ranges::copy(seed.first(kFips186Seed), key.begin());
  for (std::size_t at = 0; at < out.size(); at += kFips186Seed) {
    const Seed word = compress(key);
    std::ranges::copy(word, out.subspan(at).begin());
    advance(key, word);
  }
  secure_zero(key);
}

}  // namespace culvert::eap
