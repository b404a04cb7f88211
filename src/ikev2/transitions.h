// Which message may come in which state, what it must hold, and who handles it: the whole of IKEv2
// as data. The dispatcher checks a row before any handler runs; tests walk the table.
#pragma once

#include <expected>
#include <span>
#include <string_view>

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// The alternatives of `State` in their order, after one for "no SA yet".
enum class StateTag : std::uint8_t {
  absent,
  init_sent,
  half_open,
  auth_sent,
  eap_sent,
  eap_asked,
  auth_pending,
  address_pending,
  evidence_pending,
  eap_pending,
  established,
  closed
};
StateTag tag_of(const IkeSa& sa);

// How often a payload may stand in a message. Payloads without a rule are ignored (RFC 7296, 2.5:
// be liberal), Notify and Vendor ID are allowed everywhere.
struct PayloadRule {
  wire::PayloadType type;
  std::uint8_t least, most;
};

using Handler = void (*)(Host&, IkeSa&, const Inbound&);

struct Transition {
  StateTag state;
  wire::ExchangeType exchange;
  bool response;
  std::span<const PayloadRule> rules;
  Handler handler;
  std::string_view story;
  std::string_view section;
};

std::span<const Transition> transitions();
// nullptr: such a message has no place in that state.
const Transition* find_transition(StateTag state, wire::ExchangeType exchange, bool response);
// The first rule that the payloads break. A response with an error notification needs no others.
std::expected<void, Error> check_payloads(const Transition& row,
                                          std::span<const wire::Payload> payloads);

}  // namespace culvert::ikev2
