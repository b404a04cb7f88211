// Checksums run over every packet of the userspace data plane, so they are summed 32 octets at a
// time where the processor can. Invariant: all paths give the same folded sum.
#include "net/checksum.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace culvert {
namespace {

std::uint64_t add_tail(std::uint64_t sum, const std::uint8_t* from, std::size_t size) {
  for (; size >= 4; from += 4, size -= 4) {
    std::uint32_t word;
    std::memcpy(&word, from, sizeof word);
    sum += word;
  }
  if (size >= 2) {
    std::uint16_t word;
    std::memcpy(&word, from, sizeof word);
    sum += word;
    from += 2;
    size -= 2;
  }
  if (size != 0) {
    std::uint16_t word = 0;
    std::memcpy(&word, from, 1);
    sum += word;
  }
  return sum;
}

#if defined(__x86_64__)
const bool kHasAvx2 = __builtin_cpu_supports("avx2") != 0;

// Sums (and with `kCopy` copies) as many whole 32-octet blocks as there are; returns their sum.
template <bool kCopy>
__attribute__((target("avx2"))) std::uint64_t add_blocks(std::uint8_t* to, const std::uint8_t* from,
                                                         std::size_t blocks) {
  const __m256i low = _mm256_set1_epi64x(0xffffffff);
  __m256i even = _mm256_setzero_si256(), odd = _mm256_setzero_si256();
  for (std::size_t i = 0; i < blocks; ++i) {
    const __m256i block = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 32 * i));
    if constexpr (kCopy) _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 32 * i), block);
    even = _mm256_add_epi64(even, _mm256_and_si256(block, low));
    odd = _mm256_add_epi64(odd, _mm256_srli_epi64(block, 32));
  }
  alignas(32) std::uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), _mm256_add_epi64(even, odd));
  return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}
#endif

}  // namespace

std::uint64_t checksum_add(std::uint64_t sum, ByteView bytes) {
  std::size_t done = 0;
#if defined(__x86_64__)
  if (kHasAvx2 && bytes.size() >= 64) {
    sum += add_blocks<false>(nullptr, bytes.data(), bytes.size() / 32);
    done = bytes.size() / 32 * 32;
  }
#endif
  return add_tail(sum, bytes.data() + done, bytes.size() - done);
}

std::uint64_t checksum_copy(std::uint64_t sum, std::uint8_t* to, ByteView from) {
  std::size_t done = 0;
#if defined(__x86_64__)
  if (kHasAvx2 && from.size() >= 64) {
    sum += add_blocks<true>(to, from.data(), from.size() / 32);
    done = from.size() / 32 * 32;
  }
#endif
  if (from.size() > done) std::memcpy(to + done, from.data() + done, from.size() - done);
  return add_tail(sum, from.data() + done, from.size() - done);
}

std::uint64_t pseudo_header_sum(ByteView source, ByteView destination, std::uint8_t protocol,
                                std::uint32_t length) {
  std::uint8_t tail[8] = {};
  store_be(tail, length);
  tail[7] = protocol;
  return checksum_add(checksum_add(checksum_add(0, source), destination), tail);
}

std::uint16_t checksum_fold(std::uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

void update_checksum(std::uint8_t* field, std::uint16_t before, std::uint16_t after) {
  std::uint16_t old;
  std::memcpy(&old, field, sizeof old);
  // HC' = ~(~HC + ~m + m')
  const std::uint64_t sum =
      std::uint64_t{static_cast<std::uint16_t>(~old)} + static_cast<std::uint16_t>(~before) + after;
  store_checksum(field, checksum_finish(sum));
}

}  // namespace culvert
