// Invariant: digests of a packet cover exactly its Length octets, with the fields that the RFCs
// name replaced.
#include "radius/signature.h"

#include <algorithm>

#include "base/limits.h"

namespace culvert::radius {
namespace {

constexpr std::size_t kLengthOffset = 2;
constexpr std::size_t kAuthenticatorOffset = 4;
constexpr std::size_t kBlock = 16;  // of MD5
constexpr std::size_t kAttributeHeader = 2;
constexpr Authenticator kZeros{};
using Block = std::array<std::uint8_t, kBlock>;

// RFC 2865, 3 and RFC 2866, 3: MD5(Code | ID | Length | authenticator | Attributes | secret).
Result<Authenticator> digest(Provider& provider, ByteView secret, ByteView packet,
                             ByteView authenticator) {
  Authenticator out;
  CHECK_OK(provider.hash(
      Hash::md5,
      {packet.first(kAuthenticatorOffset), authenticator, packet.subspan(kHeaderSize), secret},
      out));
  return out;
}

// RFC 3579, 3.2: HMAC-MD5 over the packet with this authenticator, and zeros for the value itself.
Result<Authenticator> message_authenticator(Provider& provider, ByteView secret, ByteView packet,
                                            ByteView authenticator, std::size_t value_at) {
  Authenticator out;
  CHECK_OK(provider.prf(Prf::hmac_md5, secret,
                        {packet.first(kAuthenticatorOffset), authenticator,
                         packet.subspan(kHeaderSize, value_at - kHeaderSize), kZeros,
                         packet.subspan(value_at + kAuthenticatorSize)},
                        out));
  return out;
}

Result<Distrust> check_message_authenticator(Provider& provider, ByteView secret,
                                             const Packet& packet, ByteView authenticator,
                                             bool required) {
  const auto value = packet.find(Type::message_authenticator);
  if (!value) return required ? Distrust::missing_message_authenticator : Distrust::none;
  if (value->size() != kAuthenticatorSize) return Distrust::bad_message_authenticator;
  const auto expected = TRY(message_authenticator(provider, secret, packet.octets(), authenticator,
                                                  packet.offset_of(Type::message_authenticator)));
  return equal_constant_time(expected, *value) ? Distrust::none
                                               : Distrust::bad_message_authenticator;
}

// The header, and room for a Message-Authenticator where one goes: first, so that nothing that a
// stranger chooses stands before it.
std::size_t begin_packet(Bytes& packet, Code code, std::uint8_t identifier, bool with_room) {
  Writer writer(packet);
  writer.u8(static_cast<std::uint8_t>(code));
  writer.u8(identifier);
  writer.u16(0);
  writer.bytes(kZeros);
  if (!with_room) return 0;
  AttributeWriter(packet).add(Type::message_authenticator, kZeros);
  return kHeaderSize + kAttributeHeader;
}

Result<> set_length(Bytes& packet) {
  if (packet.size() > limits::kMaxRadiusPacket) return fail(Fault::local_policy, Reason::too_large);
  Writer(packet).patch_u16(kLengthOffset, static_cast<std::uint16_t>(packet.size()));
  return {};
}

void put(Bytes& packet, std::size_t at, const Authenticator& value) {
  std::ranges::copy(value, packet.begin() + static_cast<std::ptrdiff_t>(at));
}

bool has_random_authenticator(Code code) {
  return code == Code::access_request || code == Code::status_server;
}

// The keystream of RFC 2865, 5.2 and RFC 2548, 2.4.2: every block is MD5 of the secret and the
// hidden block before it.
Result<Block> keystream(Provider& provider, ByteView secret, ByteView before, ByteView salt) {
  Block out;
  CHECK_OK(provider.hash(Hash::md5, {secret, before, salt}, out));
  return out;
}

}  // namespace

Result<SignedRequest> sign_request(Provider& provider, ByteView secret, const RequestParts& parts) {
  SignedRequest request;
  const bool random = has_random_authenticator(parts.code);
  if (random) provider.random(request.authenticator);
  Bytes& packet = request.octets;
  const std::size_t value_at =
      begin_packet(packet, parts.code, parts.identifier, random || parts.message_authenticator);
  append(packet, parts.attributes);
  if (!parts.password.empty())
    AttributeWriter(packet).add(
        Type::user_password,
        TRY(hide_password(provider, secret, request.authenticator, parts.password)));
  CHECK_OK(set_length(packet));
  put(packet, kAuthenticatorOffset, request.authenticator);
  if (value_at != 0)
    put(packet, value_at,
        TRY(message_authenticator(provider, secret, packet, request.authenticator, value_at)));
  if (!random) {
    request.authenticator = TRY(digest(provider, secret, packet, kZeros));
    put(packet, kAuthenticatorOffset, request.authenticator);
  }
  return request;
}

Result<Distrust> check_response(Provider& provider, ByteView secret, const Packet& response,
                                Code request, const Authenticator& request_authenticator) {
  const auto expected = TRY(digest(provider, secret, response.octets(), request_authenticator));
  if (!equal_constant_time(expected, response.authenticator())) return Distrust::bad_authenticator;
  return check_message_authenticator(provider, secret, response, request_authenticator,
                                     request == Code::access_request);
}

Result<Distrust> check_request(Provider& provider, ByteView secret, const Packet& request,
                               bool require_message_authenticator) {
  const auto expected = TRY(digest(provider, secret, request.octets(), kZeros));
  if (!equal_constant_time(expected, request.authenticator())) return Distrust::bad_authenticator;
  // RFC 5176, 3.4: computed as if the authenticator were zeros.
  return check_message_authenticator(provider, secret, request, kZeros,
                                     require_message_authenticator);
}

Result<Bytes> sign_response(Provider& provider, ByteView secret, Code code, const Packet& request,
                            ByteView attributes) {
  Bytes packet;
  const std::size_t value_at = begin_packet(packet, code, request.identifier(), true);
  append(packet, attributes);
  CHECK_OK(set_length(packet));
  put(packet, value_at,
      TRY(message_authenticator(provider, secret, packet, request.authenticator(), value_at)));
  put(packet, kAuthenticatorOffset, TRY(digest(provider, secret, packet, request.authenticator())));
  return packet;
}

Result<SecretBytes> reveal_key(Provider& provider, ByteView secret,
                               const Authenticator& request_authenticator, ByteView value) {
  constexpr std::size_t kSaltSize = 2;
  if (value.size() < kSaltSize + kBlock || (value.size() - kSaltSize) % kBlock != 0)
    return fail(Fault::peer_misbehaved, Reason::bad_length);
  const ByteView salt = value.first(kSaltSize);
  const ByteView hidden = value.subspan(kSaltSize);
  SecretBytes plain(hidden);
  for (std::size_t at = 0; at < hidden.size(); at += kBlock) {
    const bool first = at == 0;
    const Block mask =
        TRY(keystream(provider, secret,
                      first ? ByteView(request_authenticator) : hidden.subspan(at - kBlock, kBlock),
                      first ? salt : ByteView{}));
    for (std::size_t i = 0; i < kBlock; ++i) plain.mutable_view()[at + i] ^= mask[i];
  }
  const std::size_t size = plain.view()[0];
  if (size >= plain.size()) return fail(Fault::peer_misbehaved, Reason::bad_padding);
  return SecretBytes(plain.view().subspan(1, size));
}

Result<Bytes> hide_password(Provider& provider, ByteView secret,
                            const Authenticator& request_authenticator, ByteView password) {
  if (password.size() > kMaxPasswordSize) return fail(Fault::local_policy, Reason::too_large);
  // At least one block, padded with zeros.
  Bytes hidden(std::max((password.size() + kBlock - 1) / kBlock, std::size_t{1}) * kBlock);
  std::ranges::copy(password, hidden.begin());
  for (std::size_t at = 0; at < hidden.size(); at += kBlock) {
    const ByteView before =
        at == 0 ? ByteView(request_authenticator) : ByteView(hidden).subspan(at - kBlock, kBlock);
    const Block mask = TRY(keystream(provider, secret, before, {}));
    for (std::size_t i = 0; i < kBlock; ++i) hidden[at + i] ^= mask[i];
  }
  return hidden;
}

}  // namespace culvert::radius
