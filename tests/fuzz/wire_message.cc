// links: wire
// Any octets as a message, as a chain and as a protected message: no crash, no unbounded memory,
// errors that point into the input, and encode(decode(x)) decodes to the same value.
#include <algorithm>
#include <cstdlib>

#include "base/limits.h"
#include "tests/fuzz/wire_provider.h"
#include "wire/v2/message.h"
#include "wire/v2/protected.h"

namespace {

using namespace culvert;
using namespace culvert::wire;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_payloads(std::span<const Payload> payloads) {
  require(payloads.size() <= limits::kMaxPayloads);
  require(fits(payloads));
  Bytes chain;
  Writer writer(chain);
  encode_payloads(payloads, writer);
  require(chain.size() == encoded_size(payloads));
}

void check_error(const Error& error, PayloadType first, ByteView chain, std::size_t base) {
  require(error.offset <= base + chain.size());
  require((error.reason == Reason::unsupported_critical) ==
          (error.notify == static_cast<std::uint16_t>(NotifyType::unsupported_critical_payload)));
  if (error.reason == Reason::unsupported_critical)
    require(first_unknown_critical(first, chain).has_value());
}

void check_message(ByteView datagram) {
  const auto message = decode_message(datagram);
  if (!message) {
    if (datagram.size() < kHeaderSize) return;
    const auto header = peek_header(datagram);
    require(header.has_value());
    check_error(message.error(), header->next_payload, datagram.subspan(kHeaderSize), kHeaderSize);
    return;
  }
  check_payloads(message->payloads);
  const Bytes again = encode_message(message->header, message->payloads);
  const auto decoded = decode_message(again);
  require(decoded.has_value());
  Message expected = *message;
  expected.header.length = static_cast<std::uint32_t>(again.size());
  require(*decoded == expected);
}

void check_chain(PayloadType first, ByteView chain) {
  const auto payloads = decode_payloads(first, chain, 7);
  if (!payloads) {
    require(payloads.error().notify != 0);
    check_error(payloads.error(), first, chain, 7);
    return;
  }
  check_payloads(*payloads);
  Bytes again;
  Writer writer(again);
  encode_payloads(*payloads, writer);
  const auto decoded = decode_payloads(first_type(*payloads), again);
  require(decoded.has_value() && *decoded == *payloads);
}

void check_protected(ByteView datagram) {
  wire::testing::ChecksumProvider provider;
  provider.verifies = false;
  for (const CipherSpec cipher : {CipherSpec{Encr::aes_gcm_16, 128, Integ::none},
                                  CipherSpec{Encr::aes_cbc, 128, Integ::hmac_sha1_96}}) {
    const ProtectionKeys keys{cipher, {}, {}};
    if (const auto inside = open_message(provider, keys, datagram)) check_payloads(*inside);
    if (const auto fragment = open_fragment(provider, keys, datagram))
      require(fragment->number >= 1 && fragment->number <= fragment->total);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  check_message(input);
  if (size == 0) return 0;
  check_chain(PayloadType{input[0]}, input.subspan(1));
  if (size < kHeaderSize || size > limits::kMaxMessageSize) return 0;
  // The same with the version and length that let it past the header.
  Bytes repaired = to_bytes(input);
  Writer writer(repaired);
  writer.patch_u8(17, 0x20);
  writer.patch_u32(24, static_cast<std::uint32_t>(size));
  check_message(repaired);
  check_protected(repaired);
  for (const PayloadType first : {PayloadType::sk, PayloadType::skf}) {
    writer.patch_u8(16, static_cast<std::uint8_t>(first));
    check_protected(repaired);
  }
  return 0;
}
