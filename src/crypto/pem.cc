#include "crypto/pem.h"

#include <openssl/evp.h>

#include <algorithm>
#include <optional>

#include "base/limits.h"
#include "crypto/openssl_handles.h"

namespace culvert {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ", kEnd = "-----END ", kDashes = "-----";
constexpr std::size_t kLine = 64;  // characters: RFC 7468, 2

std::unexpected<Error> bad(std::size_t offset, Reason reason = Reason::bad_value) {
  return fail(Fault::local_policy, reason, 0, static_cast<std::uint32_t>(offset));
}

std::optional<Bytes> decode_base64(std::string_view text) {
  std::string packed;
  packed.reserve(text.size());
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    packed += c;
  }
  std::size_t padding = 0;
  while (padding < 2 && packed.size() > padding && packed[packed.size() - 1 - padding] == '=')
    ++padding;
  const bool inner_padding = packed.find('=') < packed.size() - padding;
  if (packed.empty() || packed.size() % 4 != 0 || inner_padding) return std::nullopt;
  Bytes out(packed.size() / 4 * 3);
  const int size =
      EVP_DecodeBlock(out.data(), as_bytes(packed).data(), openssl::int_size(as_bytes(packed)));
  if (size < 0) return std::nullopt;
  out.resize(static_cast<std::size_t>(size) - padding);
  return out;
}

}  // namespace

Result<std::vector<PemBlock>> read_pem(std::string_view text) {
  std::vector<PemBlock> blocks;
  if (text.size() > limits::kMaxPemSize) return bad(0, Reason::too_large);
  for (std::size_t at = 0; (at = text.find(kBegin, at)) != std::string_view::npos;) {
    const std::size_t begin = at;
    at += kBegin.size();
    const std::size_t label_end = text.find(kDashes, at);
    if (label_end == std::string_view::npos || label_end - at > kLine) return bad(begin);
    const std::string label(text.substr(at, label_end - at));
    at = label_end + kDashes.size();
    const std::string closing = std::string(kEnd) + label + std::string(kDashes);
    const std::size_t end = text.find(kDashes, at);
    if (end == std::string_view::npos || !text.substr(end).starts_with(closing)) return bad(begin);
    if (!label.ends_with("PRIVATE KEY")) {
      auto der = decode_base64(text.substr(at, end - at));
      if (!der) return bad(begin);
      if (blocks.size() == limits::kMaxPemBlocks) return bad(begin, Reason::too_large);
      blocks.push_back({label, std::move(*der), static_cast<std::uint32_t>(begin)});
    }
    at = end + closing.size();
  }
  return blocks;
}

bool is_pem(ByteView file) { return as_text(file).contains(kBegin); }

std::string write_pem(std::string_view label, ByteView der) {
  std::string base64((der.size() + 2) / 3 * 4 + 1, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base64.data()), der.data(),
                  openssl::int_size(der));
  base64.pop_back();
  std::string out = std::string(kBegin) + std::string(label) + "-----\n";
  for (std::string_view rest = base64; !rest.empty();) {
    const std::size_t count = std::min(rest.size(), kLine);
    out += rest.substr(0, count);
    out += '\n';
    rest.remove_prefix(count);
  }
  return out + std::string(kEnd) + std::string(label) + "-----\n";
}

}  // namespace culvert
