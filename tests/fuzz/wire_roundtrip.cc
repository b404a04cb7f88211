// links: wire
// Values made from the input survive encoding and decoding: in the clear, sealed, and in fragments.
#include <algorithm>
#include <cstdlib>

#include "tests/fuzz/wire_provider.h"
#include "tests/fuzz/wire_values.h"
#include "wire/v2/protected.h"

namespace {

using namespace culvert;
using namespace culvert::wire;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_clear(const Header& header, const std::vector<Payload>& payloads) {
  require(fits(payloads));
  const Bytes encoded = encode_message(header, payloads);
  const auto message = decode_message(encoded);
  require(message.has_value());
  require(message->payloads == payloads);
  Header expected = header;
  expected.length = static_cast<std::uint32_t>(encoded.size());
  expected.next_payload = first_type(payloads);
  require(message->header == expected);
}

void check_fragments(Provider& provider, const ProtectionKeys& keys, const Header& header,
                     const std::vector<Payload>& payloads, std::size_t max_datagram) {
  const auto datagrams = seal_fragments(provider, keys, header, payloads, 1, max_datagram);
  require(datagrams.has_value() && !datagrams->empty());
  for (const Bytes& datagram : *datagrams) require(datagram.size() <= max_datagram);
  if (datagrams->size() == 1) {
    const auto inside = open_message(provider, keys, datagrams->front());
    require(inside.has_value() && *inside == payloads);
    return;
  }
  Bytes joined;
  PayloadType first = PayloadType::none;
  for (std::size_t i = 0; i < datagrams->size(); ++i) {
    const auto fragment = open_fragment(provider, keys, (*datagrams)[i]);
    require(fragment.has_value() && fragment->number == i + 1);
    require(fragment->total == datagrams->size());
    if (i == 0) first = fragment->inner;
    append(joined, fragment->plaintext);
  }
  const auto inside = decode_payloads(first, joined);
  require(inside.has_value() && *inside == payloads);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  wire::testing::Values values({data, size});
  const Header header = values.header();
  const std::size_t max_datagram = 128 + values.below(2000);
  const bool aead = values.octet() & 1;
  const std::vector<Payload> payloads = values.payloads();
  check_clear(header, payloads);

  wire::testing::ChecksumProvider provider;
  const Bytes key(20, 0x5a), integrity_key(aead ? 0 : 20, 0xa5);
  const ProtectionKeys keys{aead ? CipherSpec{Encr::aes_gcm_16, 128, Integ::none}
                                 : CipherSpec{Encr::aes_cbc, 128, Integ::hmac_sha1_96},
                            key, integrity_key};
  const auto sealed = seal_message(provider, keys, header, payloads, 1);
  require(sealed.has_value());
  const auto inside = open_message(provider, keys, *sealed);
  require(inside.has_value() && *inside == payloads);
  check_fragments(provider, keys, header, payloads, max_datagram);
  return 0;
}
