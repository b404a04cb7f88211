// Which event is which counter. Retransmissions and repeated responses are none, as in charon.
#include "control/counter_book.h"

#include <optional>

namespace culvert::control {
namespace {

enum Counter : std::size_t {
  ike_rekey_init,
  ike_rekey_resp,
  child_rekey,
  invalid,
  invalid_spi,
  first_exchange,  // four for each: request and response in, request and response out
};
static_assert(CounterBook::kNames[first_exchange] == "ike-init-in-req");

std::optional<std::size_t> counter_of(const trace::MessageSummary& message, bool sent) {
  constexpr auto kFirst = static_cast<std::size_t>(wire::ExchangeType::ike_sa_init);
  constexpr auto kLast = static_cast<std::size_t>(wire::ExchangeType::informational);
  const auto exchange = static_cast<std::size_t>(message.exchange);
  if (exchange < kFirst || exchange > kLast) return std::nullopt;
  return first_exchange + 4 * (exchange - kFirst) + (sent ? 2 : 0) + (message.response ? 1 : 0);
}

// A datagram that could not be read, or that belongs to nobody.
std::optional<std::size_t> counter_of(const trace::MessageDropped& dropped) {
  if (dropped.reason == Reason::not_found) return invalid_spi;
  if (dropped.reason == Reason::refused || dropped.reason == Reason::no_match) return std::nullopt;
  return invalid;
}

std::optional<std::size_t> counter_of(const trace::Body& body) {
  if (const auto* sent = std::get_if<trace::MessageSent>(&body))
    return counter_of(sent->message, true);
  if (const auto* received = std::get_if<trace::MessageReceived>(&body))
    return counter_of(received->message, false);
  if (const auto* dropped = std::get_if<trace::MessageDropped>(&body)) return counter_of(*dropped);
  if (std::holds_alternative<trace::MalformedMessage>(body)) return invalid;
  if (std::holds_alternative<trace::ChildRekeyed>(body)) return child_rekey;
  return std::nullopt;
}

}  // namespace

void CounterBook::record(const trace::Event& event) {
  if (const auto counter = counter_of(event.body)) count(*counter, event.subject.connection);
}

void CounterBook::record(const SaNews& news) {
  if (const auto* rekeyed = std::get_if<IkeSaRekeyed>(&news))
    count(rekeyed->successor.initiator ? ike_rekey_init : ike_rekey_resp, rekeyed->successor.name);
}

const CounterBook::Counts* CounterBook::find(const std::string& connection) const {
  const auto found = by_connection_.find(connection);
  return found == by_connection_.end() ? nullptr : &found->second;
}

void CounterBook::count(std::size_t counter, const std::string& connection) {
  ++total_[counter];
  if (!connection.empty()) ++by_connection_[connection][counter];
}

}  // namespace culvert::control
