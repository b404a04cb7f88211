// Owns the listing of payloads. Numbers without a name are shown as numbers.
#include "cli/decode.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/identity.h"
#include "policy/traffic_selector.h"
#include "trace/render.h"
#include "trace/value_text.h"
#include "wire/v2/message.h"

namespace culvert::cli {
namespace {

using trace::value_text;
using Lines = std::vector<std::string>;

constexpr std::size_t kMaxOctetsShown = 64;

template <class E>
std::string name_or_number(E value) {
  const std::string_view name = name_of(value);
  return name.empty() ? fmt::format("{}", static_cast<unsigned>(value)) : std::string(name);
}

std::string hex(ByteView octets) {
  const auto shown = octets.first(std::min(octets.size(), kMaxOctetsShown));
  return fmt::format("{:02x}{}", fmt::join(shown, ""), shown.size() < octets.size() ? "…" : "");
}

std::string octets_line(std::string_view what, ByteView octets) {
  if (octets.empty()) return fmt::format("{}: none", what);
  return fmt::format("{}: {} octets, {}", what, octets.size(), hex(octets));
}

std::string transform_id(const wire::Transform& transform) {
  switch (transform.type) {
    case TransformType::encr:
      return name_or_number(Encr{transform.id});
    case TransformType::prf:
      return name_or_number(Prf{transform.id});
    case TransformType::integ:
      return name_or_number(Integ{transform.id});
    case TransformType::esn:
      return name_or_number(Esn{transform.id});
    default:
      return name_or_number(Ke{transform.id});  // RFC 9370: additional exchanges share the numbers
  }
}

std::string transform_text(const wire::Transform& transform) {
  const std::string bits = transform.key_bits == 0 ? "" : fmt::format("-{}", transform.key_bits);
  const std::string others = transform.others.empty() ? "" : " with unknown attributes";
  return fmt::format("{}={}{}{}", name_or_number(transform.type), transform_id(transform), bits,
                     others);
}

Lines details(const wire::Sa& sa) {
  Lines lines;
  for (const auto& proposal : sa.proposals) {
    Lines transforms;
    for (const auto& transform : proposal.transforms)
      transforms.push_back(transform_text(transform));
    lines.push_back(
        fmt::format("proposal {} {}{}: {}", proposal.number, name_or_number(proposal.protocol),
                    proposal.spi.empty() ? "" : fmt::format(" SPI {}", hex(proposal.spi)),
                    fmt::join(transforms, " ")));
  }
  return lines;
}
Lines details(const wire::KeyExchangePayload& ke) {
  return {fmt::format("method: {}", name_or_number(Ke{ke.method})),
          octets_line("public value", ke.data)};
}
Lines details(const wire::Identification& id) {
  return {fmt::format("{}: {}", name_or_number(id.type), to_string(identity_of(id)))};
}
Lines details(const wire::Cert& cert) {
  return {fmt::format("encoding: {}", name_or_number(wire::CertEncoding{cert.encoding})),
          octets_line("data", cert.data)};
}
Lines details(const wire::CertReq& request) {
  return {fmt::format("encoding: {}", name_or_number(wire::CertEncoding{request.encoding})),
          octets_line("authorities", request.data)};
}
Lines details(const wire::Auth& auth) {
  return {fmt::format("method: {}", name_or_number(auth.method)), octets_line("data", auth.data)};
}
Lines details(const wire::Nonce& nonce) { return {octets_line("nonce", nonce.data)}; }
Lines details(const wire::Notify& notify) {
  Lines lines;
  if (notify.protocol != wire::ProtocolId::none)
    lines.push_back(fmt::format("protocol: {}", name_or_number(notify.protocol)));
  if (!notify.spi.empty()) lines.push_back(fmt::format("SPI: {}", hex(notify.spi)));
  if (!notify.data.empty()) lines.push_back(octets_line("data", notify.data));
  return lines;
}
Lines details(const wire::Delete& del) {
  Lines lines{fmt::format("protocol: {}", name_or_number(del.protocol))};
  for (std::size_t i = 0; i < del.count(); ++i)
    lines.push_back(fmt::format("SPI: {}", hex(del.spi(i))));
  return lines;
}
Lines details(const wire::VendorId& vendor) {
  const auto text = as_text(vendor.data);
  const bool is_text = std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
  return {is_text ? fmt::format("\"{}\"", text) : octets_line("data", vendor.data)};
}
Lines details(const wire::TrafficSelectors& selectors) {
  Lines lines;
  for (const auto& selector : from_wire(selectors)) lines.push_back(to_string(selector));
  for (const auto& selector : selectors.selectors)
    if (!selector.is_address_range())
      lines.push_back(
          fmt::format("type {}: {}", name_or_number(selector.type), hex(selector.unknown)));
  return lines;
}
Lines details(const wire::Encrypted& sk) {
  return {fmt::format("first payload inside: {}", name_or_number(sk.inner)),
          octets_line("encrypted", sk.body)};
}
Lines details(const wire::EncryptedFragment& skf) {
  return {fmt::format("fragment {} of {}", skf.number, skf.total),
          octets_line("encrypted", skf.body)};
}
Lines details(const wire::Configuration& cp) {
  Lines lines{name_or_number(cp.type)};
  for (const auto& attribute : cp.attributes)
    lines.push_back(
        octets_line(name_or_number(wire::ConfigAttribute{attribute.type}), attribute.value));
  return lines;
}
Lines details(const wire::Eap& eap) { return {octets_line("message", eap.data)}; }
Lines details(const wire::Unknown& unknown) { return {octets_line("data", unknown.data)}; }

DecodedPayload decode_payload(const wire::Payload& payload) {
  DecodedPayload decoded{name_or_number(payload.type), {}};
  if (const auto* notify = std::get_if<wire::Notify>(&payload.body))
    decoded.name = fmt::format("N({})", value_text(notify->type));
  if (payload.critical) decoded.name += " critical";
  decoded.details = std::visit([](const auto& body) { return details(body); }, payload.body);
  return decoded;
}

Lines header_lines(const wire::Header& header, std::size_t size) {
  std::string kind;
  if (header.major == 2)
    kind = fmt::format("{} from the {}{}", header.response ? " response" : " request",
                       header.initiator ? "initiator" : "responder",
                       header.higher_version ? " (speaks a higher version)" : "");
  return {fmt::format("IKEv{}.{} {}{}, message ID {}, {} octets", header.major, header.minor,
                      value_text(header.exchange), kind, header.message_id, size),
          fmt::format("SPIs: initiator {:016x}, responder {:016x}", header.spi_i, header.spi_r)};
}

// RFC 3948, 2.2: on port 4500 four zero octets precede an IKE message. An SPI may begin with four
// zeros too, so a message that is whole as it is has no marker.
ByteView without_marker(ByteView octets) {
  const bool marked =
      octets.size() >= 4 && std::ranges::all_of(octets.first(4), [](auto o) { return o == 0; });
  return marked && !wire::decode_header(octets) ? octets.subspan(4) : octets;
}

std::optional<unsigned> digit_value(char c) {
  if ('0' <= c && c <= '9') return c - '0';
  if ('a' <= c && c <= 'f') return c - 'a' + 10;
  if ('A' <= c && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

}  // namespace

std::optional<Bytes> parse_hex(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  Bytes octets;
  std::optional<unsigned> high;
  for (const char c : text) {
    if (std::string_view(" \t\r\n:").contains(c)) continue;
    const auto digit = digit_value(c);
    if (!digit) return std::nullopt;
    if (high) octets.push_back(static_cast<std::uint8_t>(*high << 4 | *digit));
    high = high ? std::nullopt : digit;
  }
  if (high || octets.empty()) return std::nullopt;
  return octets;
}

std::expected<DecodedMessage, std::string> decode(ByteView octets) {
  octets = without_marker(octets);
  const auto header = wire::peek_header(octets);
  if (!header)
    return std::unexpected(
        fmt::format("no IKE message: {} octets are less than a header, which has {}", octets.size(),
                    wire::kHeaderSize));
  DecodedMessage decoded{header_lines(*header, octets.size()), {}, {}};
  if (header->major == 1) {
    decoded.error = "the payloads of IKEv1 messages are not read";
    return decoded;
  }
  const auto message = wire::decode_message(octets);
  if (!message) {
    decoded.error = fmt::format("malformed: {} at octet {}", trace::name_of(message.error().reason),
                                message.error().offset);
    return decoded;
  }
  for (const auto& payload : message->payloads) decoded.payloads.push_back(decode_payload(payload));
  return decoded;
}

std::string decoded_text(const DecodedMessage& message) {
  std::string text = fmt::format("{}\n", fmt::join(message.header, "\n  "));
  for (const auto& payload : message.payloads) {
    text += fmt::format("  {}\n", payload.name);
    for (const auto& line : payload.details) text += fmt::format("    {}\n", line);
  }
  if (!message.error.empty()) text += fmt::format("  {}\n", message.error);
  return text;
}

}  // namespace culvert::cli
