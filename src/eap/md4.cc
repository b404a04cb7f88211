#include "eap/md4.h"

#include <algorithm>
#include <bit>

#include "base/secret.h"

namespace culvert::eap {
namespace {

constexpr std::size_t kBlock = 64;
using State = std::array<std::uint32_t, 4>;

std::uint32_t load_le(const std::uint8_t* from) {
  return std::byteswap(load_be<std::uint32_t>(from));
}

// The words of a round's steps: 16 steps in the order of `index`, with four shifts in turn.
struct Round {
  std::uint32_t constant;
  std::array<std::uint8_t, 4> shifts;
  std::array<std::uint8_t, 16> index;
};
constexpr Round kRounds[] = {
    {0, {3, 7, 11, 19}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
    {0x5a827999, {3, 5, 9, 13}, {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15}},
    {0x6ed9eba1, {3, 9, 11, 15}, {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15}},
};

std::uint32_t mix(std::size_t round, std::uint32_t x, std::uint32_t y, std::uint32_t z) {
  if (round == 0) return (x & y) | (~x & z);
  if (round == 1) return (x & y) | (x & z) | (y & z);
  return x ^ y ^ z;
}

void compress(State& state, const std::uint8_t* block) {
  auto [a, b, c, d] = state;
  for (std::size_t round = 0; round < 3; ++round) {
    const Round& row = kRounds[round];
    for (std::size_t step = 0; step < 16; ++step) {
      const std::uint32_t sum =
          a + mix(round, b, c, d) + load_le(block + 4 * row.index[step]) + row.constant;
      a = d;
      d = c;
      c = b;
      b = std::rotl(sum, row.shifts[step % 4]);
    }
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
}

}  // namespace

void md4(ByteView message, MutableBytes out) {
  State state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  const std::uint64_t bits = std::uint64_t{message.size()} * 8;
  for (; message.size() >= kBlock; message = message.subspan(kBlock))
    compress(state, message.data());
  std::array<std::uint8_t, 2 * kBlock> tail{};
  std::ranges::copy(message, tail.begin());
  tail[message.size()] = 0x80;
  const std::size_t size = message.size() + 9 <= kBlock ? kBlock : 2 * kBlock;
  store_be(tail.data() + size - 8, std::byteswap(bits));
  for (std::size_t at = 0; at < size; at += kBlock) compress(state, tail.data() + at);
  for (std::size_t i = 0; i < state.size(); ++i)
    store_be(out.data() + 4 * i, std::byteswap(state[i]));
  secure_zero(tail);
}

}  // namespace culvert::eap
