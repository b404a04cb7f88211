// Negotiating a CHILD SA, as IKE_AUTH and CREATE_CHILD_SA share it: protocol, suite, mode,
// selectors and IPComp. RFC 7296, 1.3.1, 2.7, 2.9, 2.22, 2.23.1.
//
//   Initiator                                                  Responder
//   [N(IPCOMP_SUPPORTED)] [N(USE_TRANSPORT_MODE)]
//   SA, [Ni, KEi], TSi, TSr                           -->
//                                                     <--      [N(IPCOMP_SUPPORTED)]
//                                                              [N(USE_TRANSPORT_MODE)]
//                                                              SA, [Nr, KEr], TSi, TSr
//                                                              [N(ADDITIONAL_TS_POSSIBLE)]
#pragma once

#include <expected>

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// Why a negotiation failed: what the peer is told, and the event for the operator.
struct ChildFailure {
  wire::NotifyType notify{};
  Bytes data;
  trace::Body why;
};

// What both sides have agreed upon.
struct ChildAgreement {
  ChildConfigRef config;
  Suite suite;
  Mode mode = Mode::tunnel;
  wire::Proposal accepted;  // for our response: their proposal with our SPI
  std::uint32_t spi_in = 0, spi_out = 0;
  std::uint16_t cpi_in = 0, cpi_out = 0;  // zero: no IPComp
  bool peer_takes_tfc = true;             // RFC 7296, 3.10.1: ESP_TFC_PADDING_NOT_SUPPORTED
  std::vector<TrafficSelector> local_ts, remote_ts;
  ScopeRef scope;  // of our offer
  // What our response says: through a NAT, transport mode has other addresses at the two ends.
  std::vector<TrafficSelector> ts_i, ts_r;
  bool additional_ts = false;  // they wanted more than one pair of selectors that we would take
};

// ---- initiator ----

// Takes an SPI (and a CPI), which sa.offered keeps until the offer is installed or withdrawn.
ChildOffer make_offer(Host& host, IkeSa& sa, ChildConfigRef config, ScopeRef scope = nullptr);
void withdraw_offer(Host& host, IkeSa& sa);
// [N(IPCOMP_SUPPORTED)], [N(USE_TRANSPORT_MODE)], SA (without key exchange in IKE_AUTH), TSi, TSr.
// A Nonce and KE go between SA and TSi: `between`.
void add_offer(const ChildOffer& offer, bool in_ike_auth, Payloads&& between, Payloads& payloads);
// Checks the responder's SA, TSi and TSr against what was offered.
std::expected<ChildAgreement, ChildFailure> accept_answer(const ChildOffer& offer,
                                                          std::span<const wire::Payload> payloads,
                                                          bool in_ike_auth);

// The responder has answered with a CHILD SA that we can't accept: it is told to delete it, once
// the offer is withdrawn.
void refuse_grant(Host& host, IkeSa& sa, const ChildOffer& offer,
                  std::span<const wire::Payload> payloads);
// What is left of an offer that the responder has narrowed and would take more of in another CHILD
// SA (ADDITIONAL_TS_POSSIBLE; RFC 7296, 2.9); nullptr: nothing that could be told apart.
ScopeRef remainder(const ChildOffer& offer, const ChildAgreement& agreement,
                   std::span<const wire::Payload> payloads);
// The scope to ask for when the peer wants one CHILD SA per pair of addresses
// (SINGLE_PAIR_REQUIRED); nullptr: no packet tells which, or that was the question already.
ScopeRef single_pair(const ChildOffer& offer, std::span<const wire::Payload> payloads);

// ---- responder ----

// Chooses one of the connection's children (or takes `only`) and a suite. The agreement has an SPI
// (and a CPI) of ours, to be given back with release() when it comes to nothing.
std::expected<ChildAgreement, ChildFailure> agree(Host& host, const IkeSa& sa,
                                                  const ConnectionRef& connection,
                                                  std::span<const wire::Payload> payloads,
                                                  bool in_ike_auth, ChildConfigRef only = nullptr);
void release(Host& host, const ChildAgreement& agreement);
// [notifications], SA, [between], TSi, TSr of the response.
void add_agreement(const ChildAgreement& agreement, Payloads&& between, Payloads& payloads);

// ---- both ----

wire::ProtocolId protocol_of(const ChildConfig& config);

}  // namespace culvert::ikev2
