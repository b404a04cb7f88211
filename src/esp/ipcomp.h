// IP payload compression (RFC 3173) with DEFLATE (RFC 2394).
#pragma once

#include <memory>
#include <optional>

#include "base/bytes.h"

struct z_stream_s;

namespace culvert::esp {

inline constexpr std::size_t kIpCompHeader = 4;
// Smaller payloads are not worth the try (RFC 3173, 2.2).
inline constexpr std::size_t kMinCompressed = 90;

struct FreeStream {
  void (*end)(z_stream_s*);
  void operator()(z_stream_s* stream) const;
};
using Stream = std::unique_ptr<z_stream_s, FreeStream>;

// Serves one worker; its memory is taken with the first packet.
class Compressor {
 public:
  // Writes an IPComp header and the compressed `from` to `to`, which has room for `from`. Returns
  // the octets written, or nullopt when that would not make it shorter.
  std::optional<std::size_t> compress(ByteView from, std::uint8_t protocol, std::uint16_t cpi,
                                      std::uint8_t* to);

 private:
  Stream stream_{nullptr, {nullptr}};
};

class Decompressor {
 public:
  // The octets that `from`, without its IPComp header, expands to; nullopt when it is no complete
  // DEFLATE stream or needs more than `to` has.
  std::optional<std::size_t> expand(ByteView from, MutableBytes to);

 private:
  Stream stream_{nullptr, {nullptr}};
};

}  // namespace culvert::esp
