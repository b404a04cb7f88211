// Every packet is a stream of its own (RFC 3173, 2.1), so streams are reset, never continued.
// Invariant: output is bounded by the room given, whatever the input promises.
#include "esp/ipcomp.h"

#include <zlib.h>

namespace culvert::esp {
namespace {

// A packet seldom exceeds a small window, and some receivers have no larger one.
constexpr int kCompressWindow = -11, kExpandWindow = -15;  // negative: raw DEFLATE
constexpr int kMemoryLevel = 8;

void point(z_stream& stream, ByteView from, MutableBytes to) {
  stream.next_in = const_cast<std::uint8_t*>(from.data());
  stream.avail_in = static_cast<uInt>(from.size());
  stream.next_out = to.data();
  stream.avail_out = static_cast<uInt>(to.size());
}

void end_deflate(z_stream* stream) { deflateEnd(stream); }
void end_inflate(z_stream* stream) { inflateEnd(stream); }

}  // namespace

void FreeStream::operator()(z_stream_s* stream) const {
  end(stream);
  delete stream;
}

std::optional<std::size_t> Compressor::compress(ByteView from, std::uint8_t protocol,
                                                std::uint16_t cpi, std::uint8_t* to) {
  if (from.size() < kMinCompressed) return std::nullopt;
  if (!stream_) {
    stream_ = Stream(new z_stream{}, {end_deflate});
    if (deflateInit2(stream_.get(), Z_DEFAULT_COMPRESSION, Z_DEFLATED, kCompressWindow,
                     kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) {
      stream_.reset();
      return std::nullopt;
    }
  } else if (deflateReset(stream_.get()) != Z_OK) {
    return std::nullopt;
  }
  const std::size_t room = from.size() - kIpCompHeader - 1;
  point(*stream_, from, {to + kIpCompHeader, room});
  if (deflate(stream_.get(), Z_FINISH) != Z_STREAM_END) return std::nullopt;
  to[0] = protocol;
  to[1] = 0;
  store_be(to + 2, cpi);
  return kIpCompHeader + room - stream_->avail_out;
}

std::optional<std::size_t> Decompressor::expand(ByteView from, MutableBytes to) {
  if (!stream_) {
    stream_ = Stream(new z_stream{}, {end_inflate});
    if (inflateInit2(stream_.get(), kExpandWindow) != Z_OK) {
      stream_.reset();
      return std::nullopt;
    }
  } else if (inflateReset(stream_.get()) != Z_OK) {
    return std::nullopt;
  }
  point(*stream_, from, to);
  if (inflate(stream_.get(), Z_FINISH) != Z_STREAM_END) return std::nullopt;
  return to.size() - stream_->avail_out;
}

}  // namespace culvert::esp
