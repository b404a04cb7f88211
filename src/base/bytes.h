// Octets: views, a bounds-checked reader, and a writer with back-patched lengths.
// Invariant: no pointer arithmetic on network data happens outside this file.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace culvert {

using ByteView = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;
using Bytes = std::vector<std::uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(ByteView view) { return {view.begin(), view.end()}; }
inline bool equal(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}
// Compares in time that depends on the lengths only; for tags, cookies and secrets.
bool equal_constant_time(ByteView a, ByteView b);
inline void append(Bytes& to, ByteView from) { to.insert(to.end(), from.begin(), from.end()); }

// Big-endian fixed-width access; the caller has checked the size.
template <class T>
constexpr T load_be(const std::uint8_t* from) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>((value << 8) | from[i]);
  return value;
}
template <class T>
constexpr void store_be(std::uint8_t* to, T value) {
  for (std::size_t i = sizeof(T); i-- > 0; value = static_cast<T>(value >> 8))
    to[i] = static_cast<std::uint8_t>(value);
}
template <>
constexpr std::uint8_t load_be<std::uint8_t>(const std::uint8_t* from) {
  return *from;
}
template <>
constexpr void store_be<std::uint8_t>(std::uint8_t* to, std::uint8_t value) {
  *to = value;
}

// A span and a position. Every read checks; an error names the offset within the whole message.
class Reader {
 public:
  explicit Reader(ByteView bytes, std::size_t base_offset = 0)
      : bytes_(bytes), base_offset_(base_offset) {}

  std::size_t remaining() const { return bytes_.size() - position_; }
  bool empty() const { return remaining() == 0; }
  // Offset of the next octet, counted from the start of the outermost message.
  std::uint32_t offset() const { return static_cast<std::uint32_t>(base_offset_ + position_); }

  template <class T>
  Result<T> integer() {
    if (remaining() < sizeof(T)) return truncated();
    T value = load_be<T>(bytes_.data() + position_);
    position_ += sizeof(T);
    return value;
  }
  Result<std::uint8_t> u8() { return integer<std::uint8_t>(); }
  Result<std::uint16_t> u16() { return integer<std::uint16_t>(); }
  Result<std::uint32_t> u32() { return integer<std::uint32_t>(); }
  Result<std::uint64_t> u64() { return integer<std::uint64_t>(); }

  Result<ByteView> take(std::size_t count) {
    if (remaining() < count) return truncated();
    ByteView view = bytes_.subspan(position_, count);
    position_ += count;
    return view;
  }
  ByteView rest() {
    ByteView view = bytes_.subspan(position_);
    position_ = bytes_.size();
    return view;
  }
  // A reader over the next `count` octets, which this one skips.
  Result<Reader> nested(std::size_t count) {
    const std::size_t at = base_offset_ + position_;
    auto view = take(count);
    if (!view) return std::unexpected(view.error());
    return Reader(*view, at);
  }
  // The error that puts the blame on the next octet.
  std::unexpected<Error> bad(Reason reason, std::uint16_t notify = 0) const {
    return fail(Fault::peer_misbehaved, reason, notify, offset());
  }

 private:
  std::unexpected<Error> truncated() const { return bad(Reason::truncated); }

  ByteView bytes_;
  std::size_t position_ = 0;
  std::size_t base_offset_ = 0;
};

// Appends to a buffer that the caller owns, so that one allocation serves a whole message.
class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}

  template <class T>
  void integer(T value) {
    const std::size_t at = grow(sizeof(T));
    store_be<T>(out_.data() + at, value);
  }
  void u8(std::uint8_t value) { out_.push_back(value); }
  void u16(std::uint16_t value) { integer(value); }
  void u32(std::uint32_t value) { integer(value); }
  void u64(std::uint64_t value) { integer(value); }
  void bytes(ByteView view) { append(out_, view); }
  void zeros(std::size_t count) { grow(count); }
  std::size_t size() const { return out_.size(); }
  void patch_u8(std::size_t at, std::uint8_t value) { out_[at] = value; }
  void patch_u16(std::size_t at, std::uint16_t value) { store_be(out_.data() + at, value); }
  void patch_u32(std::size_t at, std::uint32_t value) { store_be(out_.data() + at, value); }
  MutableBytes written_since(std::size_t at) { return MutableBytes(out_).subspan(at); }

 private:
  std::size_t grow(std::size_t count) {
    const std::size_t at = out_.size();
    out_.resize(at + count);
    return at;
  }
  Bytes& out_;
};

// Reserves a 16-bit length and fills it in when it goes out of scope: the octets written since
// `start`, which usually lies before the length field itself.
class LengthScope {
 public:
  LengthScope(Writer& writer, std::size_t start)
      : writer_(writer), start_(start), at_(writer.size()) {
    writer.u16(0);
  }
  LengthScope(const LengthScope&) = delete;
  LengthScope& operator=(const LengthScope&) = delete;
  ~LengthScope() {
    assert(writer_.size() - start_ <= 0xffff);
    writer_.patch_u16(at_, static_cast<std::uint16_t>(writer_.size() - start_));
  }

 private:
  Writer& writer_;
  std::size_t start_, at_;
};

}  // namespace culvert
