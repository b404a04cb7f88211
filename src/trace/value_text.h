// A field's value as text: one overload per type that an event may hold. A type without one does
// not compile, so every field of every event can be rendered.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <string>

#include "trace/event.h"

namespace culvert::trace {

// Registered numbers have their IANA name, others are printed as numbers.
std::string value_text(wire::ExchangeType exchange);
std::string value_text(wire::NotifyType notify);
std::string value_text(TransformType type);  // "encryption", "key exchange"
std::string value_text(Ke method);           // "X25519", "MODP2048"
std::string value_text(Reason reason);
std::string value_text(const Endpoint& endpoint);
std::string value_text(const MessageSummary& message);
inline std::string value_text(const std::string& text) { return text; }
inline std::string value_text(std::string_view text) { return std::string(text); }
// Any integer. bool is "yes" or "no": the sentences ask questions of the kind "is there a NAT".
template <std::integral T>
std::string value_text(T value) {
  if constexpr (std::same_as<T, bool>) return value ? "yes" : "no";
  return fmt::format("{}", value);
}

}  // namespace culvert::trace
