// The anti-replay window (RFC 4303, 3.4.3) as a ring of words (RFC 6479): moving it costs the words
// passed, not a shift of the whole bitmap.
// Invariant: every bit of a sequence number in (top - size, top] tells whether that number was
// accepted; bits of numbers above top are meaningless until the window reaches them.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace culvert::esp {

class ReplayWindow {
 public:
  static constexpr std::uint32_t kMaxSize = 1u << 20;

  // `size` packets at least, rounded up to whole words; zero switches the check off.
  explicit ReplayWindow(std::uint32_t size)
      : words_(size == 0 ? 0 : std::bit_ceil(std::min(size, kMaxSize) / 64 + 2)),
        // RFC 6479, 2: one word is always only partly used, so it does not count.
        size_(size == 0 ? 0 : static_cast<std::uint32_t>(words_.size() - 1) * 64) {}

  std::uint64_t top() const { return top_; }
  std::uint32_t size() const { return size_; }

  // Whether `sequence` may still be accepted. Zero is never valid (RFC 4303, 3.3.3).
  bool check(std::uint64_t sequence) const {
    if (sequence == 0) return false;
    if (words_.empty() || sequence > top_) return true;
    if (top_ - sequence >= size_) return false;
    return (word(sequence) & bit(sequence)) == 0;
  }

  // Marks an authenticated number; false when it must not be accepted (it was, or is too old).
  bool update(std::uint64_t sequence) {
    if (!check(sequence)) return false;
    if (sequence > top_) {
      advance(sequence);
      top_ = sequence;
    }
    if (!words_.empty()) word(sequence) |= bit(sequence);
    return true;
  }

  // The 64-bit number that the low half `sequence` stands for (RFC 4303, A2.2).
  std::uint64_t infer_esn(std::uint32_t sequence) const {
    const auto low = static_cast<std::uint32_t>(top_);
    const auto high = static_cast<std::uint32_t>(top_ >> 32);
    const std::uint32_t window = size_ == 0 ? 64 : size_;
    const std::uint32_t bottom = low - window + 1;  // modulo 2^32
    std::uint32_t result = high;
    if (low >= window - 1) {  // case A: the window lies within one subspace
      if (sequence < bottom) ++result;
    } else if (sequence >= bottom && high != 0) {  // case B: it spans two
      --result;  // before the first wrap there is no earlier one: a long jump ahead, then
    }
    return (std::uint64_t{result} << 32) | sequence;
  }

 private:
  static std::uint64_t bit(std::uint64_t sequence) { return std::uint64_t{1} << (sequence & 63); }
  std::uint64_t& word(std::uint64_t sequence) {
    return words_[(sequence >> 6) & (words_.size() - 1)];
  }
  std::uint64_t word(std::uint64_t sequence) const {
    return words_[(sequence >> 6) & (words_.size() - 1)];
  }
  void advance(std::uint64_t sequence) {
    if (words_.empty()) return;
    const std::uint64_t first = top_ >> 6;
    const std::uint64_t count = std::min<std::uint64_t>((sequence >> 6) - first, words_.size());
    for (std::uint64_t i = 1; i <= count; ++i) words_[(first + i) & (words_.size() - 1)] = 0;
  }

  std::vector<std::uint64_t> words_;
  std::uint32_t size_;
  std::uint64_t top_ = 0;
};

}  // namespace culvert::esp
