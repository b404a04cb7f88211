// Secrets: zeroised when they die, move-only, never printable.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "base/bytes.h"

namespace culvert {

// Overwrites in a way that no optimiser removes.
void secure_zero(MutableBytes bytes);

// A secret of any length on the heap: pre-shared keys, Diffie-Hellman results.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::size_t size) : bytes_(size) {}
  explicit SecretBytes(ByteView from) : bytes_(from.begin(), from.end()) {}
  SecretBytes(SecretBytes&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      secure_zero(bytes_);
      bytes_ = std::exchange(other.bytes_, {});
    }
    return *this;
  }
  ~SecretBytes() { secure_zero(bytes_); }

  // The only way to copy one, so that copies are visible in review.
  SecretBytes clone() const { return SecretBytes(view()); }
  ByteView view() const { return bytes_; }
  MutableBytes mutable_view() { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

 private:
  Bytes bytes_;
};

// A secret of at most Capacity octets, inline: keys inside an SA.
template <std::size_t Capacity>
class InlineSecret {
  static_assert(Capacity <= 255);

 public:
  InlineSecret() = default;
  explicit InlineSecret(ByteView from) { assign(from); }
  InlineSecret(InlineSecret&& other) noexcept { *this = std::move(other); }
  InlineSecret& operator=(InlineSecret&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      size_ = other.size_;
      other.clear();
    }
    return *this;
  }
  ~InlineSecret() { secure_zero(bytes_); }

  void assign(ByteView from) {
    assert(from.size() <= Capacity);
    clear();
    std::copy(from.begin(), from.end(), bytes_.begin());
    size_ = static_cast<std::uint8_t>(from.size());
  }
  void resize(std::size_t size) {
    assert(size <= Capacity);
    size_ = static_cast<std::uint8_t>(size);
  }
  void clear() {
    secure_zero(bytes_);
    size_ = 0;
  }
  InlineSecret clone() const { return InlineSecret(view()); }
  ByteView view() const { return {bytes_.data(), size_}; }
  MutableBytes mutable_view() { return {bytes_.data(), size_}; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  std::array<std::uint8_t, Capacity> bytes_{};
  std::uint8_t size_ = 0;
};

// Several secrets in one piece of memory that is no larger than they are together.
template <std::size_t Count>
class SecretPack {
 public:
  SecretPack() = default;
  explicit SecretPack(const std::array<ByteView, Count>& secrets) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < Count; ++i) {
      assert(secrets[i].size() <= 255);
      sizes_[i] = static_cast<std::uint8_t>(secrets[i].size());
      size += sizes_[i];
    }
    octets_ = SecretBytes(size);
    auto to = octets_.mutable_view().begin();
    for (const ByteView secret : secrets) to = std::ranges::copy(secret, to).out;
  }

  bool empty() const { return octets_.empty(); }
  ByteView operator[](std::size_t index) const {
    std::size_t at = 0;
    for (std::size_t i = 0; i < index; ++i) at += sizes_[i];
    return octets_.view().subspan(at, sizes_[index]);
  }

 private:
  SecretBytes octets_;
  std::array<std::uint8_t, Count> sizes_{};
};

}  // namespace culvert
