// Owns the text of single values, messages among them: a ladder line in the notation of RFC 7296,
// 1.2.
#include "trace/value_text.h"

#include <algorithm>

#include "policy/proposal_keywords.h"
#include "trace/render.h"

namespace culvert::trace {
namespace {

template <class E>
std::string name_or_number(std::string_view name, E value) {
  return name.empty() ? fmt::format("{}", static_cast<unsigned>(value)) : std::string(name);
}

// RFC 7296, 1.2 calls them Ni and Nr; which one it is follows from the line.
std::string payload_name(wire::PayloadType type) {
  return type == wire::PayloadType::nonce ? "No" : name_or_number(wire::name_of(type), type);
}

std::string item_text(const MessageSummary::Item& item) {
  const auto type = static_cast<wire::PayloadType>(item.payload);
  if (type == wire::PayloadType::notify)
    return fmt::format("N({})", value_text(static_cast<wire::NotifyType>(item.detail)));
  if (type == wire::PayloadType::ke && item.detail != 0)
    return fmt::format("KE({})", value_text(static_cast<Ke>(item.detail)));
  return payload_name(type);
}

}  // namespace

std::string value_text(wire::ExchangeType exchange) {
  return name_or_number(wire::name_of(exchange), exchange);
}
std::string value_text(wire::NotifyType notify) {
  return name_or_number(wire::name_of(notify), notify);
}

std::string value_text(TransformType type) {
  switch (type) {
    case TransformType::encr:
      return "encryption";
    case TransformType::prf:
      return "PRF";
    case TransformType::integ:
      return "integrity";
    case TransformType::ke:
      return "key exchange";
    case TransformType::esn:
      return "sequence numbers";
    default:
      return name_or_number(culvert::name_of(type), type);
  }
}

std::string value_text(Ke method) {
  if (culvert::name_of(method).empty()) return name_or_number({}, method);
  std::string text = proposal_keyword(TransformType::ke, static_cast<std::uint16_t>(method));
  std::ranges::transform(text, text.begin(), [](char c) {
    return 'a' <= c && c <= 'z' ? static_cast<char>(c - 32) : c;
  });
  return text;
}

std::string value_text(Reason reason) { return std::string(name_of(reason)); }
std::string value_text(const Endpoint& endpoint) { return endpoint.to_string(); }
std::string value_text(const MessageSummary& message) { return text_of(message); }

std::string text_of(const MessageSummary& message) {
  std::string items;
  for (std::size_t i = 0; i < message.count; ++i)
    items += (i == 0 ? "" : " ") + item_text(message.items[i]);
  if (message.count == MessageSummary::kMaxItems) items += " …";  // there may have been more
  if (message.encrypted) items = "SK{" + items + "}";
  if (!items.empty()) items += ", ";
  const std::string fragments =
      message.fragments > 0 ? fmt::format(" in {} fragments", message.fragments) : std::string();
  return fmt::format("{} {} {}: {}{} octets{}", value_text(message.exchange),
                     message.response ? "response" : "request", message.message_id, items,
                     message.size, fragments);
}

}  // namespace culvert::trace
