// A RADIUS server for tests: it answers as the RFCs say, or breaks one rule at a time.
#pragma once

#include <algorithm>
#include <memory>

#include "crypto/openssl_provider.h"
#include "radius/client.h"

namespace culvert::radius {

inline Bytes from_hex(std::string_view text) {
  Bytes out;
  int high = -1;
  for (const char c : text) {
    const std::string_view digits = "0123456789abcdef";
    const auto digit = digits.find(c);
    if (digit == digits.npos) continue;
    if (high < 0) {
      high = static_cast<int>(digit);
    } else {
      out.push_back(static_cast<std::uint8_t>(high << 4 | static_cast<int>(digit)));
      high = -1;
    }
  }
  return out;
}

class FakeServer {
 public:
  enum class Fault {
    none,
    wrong_secret,
    wrong_message_authenticator,
    no_message_authenticator,
    short_message_authenticator,
    other_identifier,
    other_code,
    flipped_attribute,
    cut_short,
    attribute_of_length_one,
    length_past_the_end,
    empty,
  };

  FakeServer(Provider& provider, std::string_view secret) : provider_(provider), secret_(secret) {}

  // The Response Authenticator by hand, so that nothing of signature.h has to be right.
  Bytes answer(ByteView request, Code code, ByteView attributes, Fault fault = Fault::none) {
    Bytes packet;
    Writer writer(packet);
    writer.u8(static_cast<std::uint8_t>(fault == Fault::other_code ? Code::coa_ack : code));
    writer.u8(static_cast<std::uint8_t>(request[1] + (fault == Fault::other_identifier ? 1 : 0)));
    writer.u16(0);
    writer.bytes(request.subspan(4, kAuthenticatorSize));
    const bool cut = fault == Fault::short_message_authenticator;
    if (fault != Fault::no_message_authenticator) {
      writer.u8(static_cast<std::uint8_t>(Type::message_authenticator));
      writer.u8(cut ? 17 : 18);
      writer.zeros(cut ? 15 : 16);
    }
    writer.bytes(attributes);
    if (fault == Fault::attribute_of_length_one) writer.bytes(Bytes{18, 1});
    writer.patch_u16(2, static_cast<std::uint16_t>(packet.size()));
    const std::string secret = fault == Fault::wrong_secret ? "other" : secret_;
    if (fault != Fault::no_message_authenticator && !cut) {
      Bytes mac(16);
      (void)provider_.prf(Prf::hmac_md5, as_bytes(secret), {packet}, mac);
      if (fault == Fault::wrong_message_authenticator) mac[3] ^= 1;
      std::ranges::copy(mac, packet.begin() + 22);
    }
    Bytes digest(16);
    (void)provider_.hash(Hash::md5, {packet, as_bytes(secret)}, digest);
    std::ranges::copy(digest, packet.begin() + 4);
    if (fault == Fault::flipped_attribute) packet.back() ^= 1;
    if (fault == Fault::cut_short) packet.pop_back();
    if (fault == Fault::length_past_the_end) packet[3] = static_cast<std::uint8_t>(packet[3] + 1);
    if (fault == Fault::empty) packet.clear();
    return packet;
  }

 private:
  Provider& provider_;
  std::string secret_;
};

inline Server test_server(std::string name, std::uint32_t number) {
  return {.name = std::move(name),
          .endpoint = {IpAddress::v4(0xc0000200 + number), 1812},
          .secret = SecretBytes(as_bytes("testing123"))};
}

}  // namespace culvert::radius
