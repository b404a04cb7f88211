#include "eap/ttls_avp.h"

#include <algorithm>

#include "base/limits.h"

namespace culvert::eap {
namespace {

constexpr std::uint8_t kVendor = 0x80;
constexpr std::uint8_t kMandatory = 0x40;
constexpr std::uint32_t kHeader = 8;        // code, flags, length
constexpr std::uint32_t kVendorHeader = 4;  // more, where there is a vendor

std::size_t padding_of(std::size_t size) { return (4 - size % 4) % 4; }

}  // namespace

Result<std::vector<Avp>> decode_avps(ByteView octets) {
  std::vector<Avp> avps;
  Reader in(octets);
  while (!in.empty()) {
    if (avps.size() == limits::kMaxAvps) return in.bad(Reason::too_large);
    Avp avp;
    avp.code.code = TRY(in.u32());
    const std::uint32_t word = TRY(in.u32());
    const auto flags = static_cast<std::uint8_t>(word >> 24);
    const bool has_vendor = (flags & kVendor) != 0;
    const std::uint32_t header = kHeader + (has_vendor ? kVendorHeader : 0);
    const std::uint32_t length = word & 0xff'ffff;
    if (length < header) return in.bad(Reason::bad_length);
    if (has_vendor) avp.code.vendor = TRY(in.u32());
    avp.mandatory = (flags & kMandatory) != 0;
    avp.data = TRY(in.take(length - header));
    TRY(in.take(std::min(padding_of(length), in.remaining())));
    avps.push_back(avp);
  }
  return avps;
}

void encode_avp(Bytes& to, const Avp& avp) {
  Writer out(to);
  const bool has_vendor = avp.code.vendor != 0;
  const std::uint32_t header = kHeader + (has_vendor ? kVendorHeader : 0);
  const auto length = static_cast<std::uint32_t>(header + avp.data.size());
  const std::uint32_t flags = (has_vendor ? kVendor : 0u) | (avp.mandatory ? kMandatory : 0u);
  out.u32(avp.code.code);
  out.u32(flags << 24 | length);
  if (has_vendor) out.u32(avp.code.vendor);
  out.bytes(avp.data);
  out.zeros(padding_of(length));
}

const Avp* find(const std::vector<Avp>& avps, AvpCode code) {
  const auto found = std::ranges::find(avps, code, &Avp::code);
  return found == avps.end() ? nullptr : &*found;
}

}  // namespace culvert::eap
