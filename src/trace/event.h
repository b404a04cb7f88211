// Everything worth telling, as typed values. One declaration here gives the log line, the JSON
// object, the counter and the metric (render.h): its name, its level, its sentence with the fields
// in braces, and fields() which names them.
// A sentence about a failure says what each side had and what to change.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "base/result.h"
#include "crypto/transforms.h"
#include "net/address.h"
#include "policy/traffic_selector.h"
#include "trace/aaa_events.h"
#include "trace/address_events.h"
#include "trace/authentication_events.h"
#include "trace/gateway_events.h"
#include "wire/registry.h"

namespace culvert::trace {

// ---- messages (the ladder) ----

// What a message holds, without allocation: payload types in order, and notify types among them.
struct MessageSummary {
  static constexpr std::size_t kMaxItems = 24;
  struct Item {
    std::uint8_t payload = 0;
    std::uint16_t detail = 0;  // notify type, KE method; 0 otherwise
    bool operator==(const Item&) const = default;
  };
  wire::ExchangeType exchange{};
  bool response = false;
  bool from_initiator = false;  // the Initiator flag
  bool encrypted = false;
  std::uint32_t message_id = 0;
  std::uint32_t size = 0;       // octets of the IKE message, or of all its fragments
  std::uint16_t fragments = 0;  // zero: one datagram
  std::uint8_t count = 0;
  std::array<Item, kMaxItems> items{};
  void add(std::uint8_t payload, std::uint16_t detail = 0) {
    if (count < kMaxItems) items[count++] = {payload, detail};
  }
};

struct MessageSent {
  static constexpr Info kInfo{"message_sent", Level::debug, Group::enc, "sent {message}"};
  MessageSummary message;
  CULVERT_FIELDS(CULVERT_FIELD(message))
};
struct MessageReceived {
  static constexpr Info kInfo{"message_received", Level::debug, Group::enc, "received {message}"};
  MessageSummary message;
  CULVERT_FIELDS(CULVERT_FIELD(message))
};
struct Retransmitted {
  static constexpr Info kInfo{"retransmitted", Level::info, Group::ike,
                              "retransmit {attempt} of {exchange} request {message_id}"};
  std::uint32_t attempt = 0;
  wire::ExchangeType exchange{};
  std::uint32_t message_id = 0;
  CULVERT_FIELDS(CULVERT_FIELD(attempt), CULVERT_FIELD(exchange), CULVERT_FIELD(message_id))
};
struct ResponseRepeated {
  static constexpr Info kInfo{"response_repeated", Level::debug, Group::ike,
                              "repeated the response to request {message_id}"};
  std::uint32_t message_id = 0;
  CULVERT_FIELDS(CULVERT_FIELD(message_id))
};
// A datagram that came to nothing: no state was touched.
struct MessageDropped {
  static constexpr Info kInfo{
      "message_dropped", Level::info, Group::net,
      "dropped a message from {remote}: {reason} at octet {offset} ({what})"};
  Endpoint remote;
  Reason reason{};
  std::uint32_t offset = 0;
  std::string_view what;  // a literal
  CULVERT_FIELDS(CULVERT_FIELD(remote), CULVERT_FIELD(reason), CULVERT_FIELD(offset),
                 CULVERT_FIELD(what))
};
struct MalformedMessage {  // authenticated, or part of an exchange of ours, and yet wrong
  static constexpr Info kInfo{
      "malformed_message", Level::error, Group::enc,
      "{exchange} {message_id} breaks the protocol: {reason} at octet {offset} "
      "({what}); the peer's implementation is at fault",
      true};
  wire::ExchangeType exchange{};
  std::uint32_t message_id = 0;
  Reason reason{};
  std::uint32_t offset = 0;
  std::string_view what;
  CULVERT_FIELDS(CULVERT_FIELD(exchange), CULVERT_FIELD(message_id), CULVERT_FIELD(reason),
                 CULVERT_FIELD(offset), CULVERT_FIELD(what))
};

// ---- IKE_SA_INIT ----

struct Initiating {
  static constexpr Info kInfo{"initiating", Level::info, Group::ike, "initiating to {remote}"};
  Endpoint remote;
  CULVERT_FIELDS(CULVERT_FIELD(remote))
};
struct PeerNotResolved {  // before the first message: a host name, or no route
  static constexpr Info kInfo{"peer_not_resolved", Level::error, Group::net,
                              "the peer's address is not to be had: {error}", true};
  std::string error;
  CULVERT_FIELDS(CULVERT_FIELD(error))
};
struct CookieDemanded {  // as responder
  static constexpr Info kInfo{"cookie_demanded", Level::debug, Group::net,
                              "{half_open} half-open IKE SAs: asked {remote} for a cookie"};
  Endpoint remote;
  std::uint64_t half_open = 0;
  CULVERT_FIELDS(CULVERT_FIELD(remote), CULVERT_FIELD(half_open))
};
struct CookiesBegin {
  static constexpr Info kInfo{"cookies_begin", Level::warning, Group::net,
                              "{half_open} half-open IKE SAs: peers must show a cookie first, "
                              "until it is half of `cookie_threshold`"};
  std::uint64_t half_open = 0;
  CULVERT_FIELDS(CULVERT_FIELD(half_open))
};
struct CookiesEnd {
  static constexpr Info kInfo{"cookies_end", Level::info, Group::net,
                              "{half_open} half-open IKE SAs: peers need no cookie any more"};
  std::uint64_t half_open = 0;
  CULVERT_FIELDS(CULVERT_FIELD(half_open))
};
struct HalfOpenEvicted {
  static constexpr Info kInfo{"half_open_evicted", Level::warning, Group::net,
                              "{half_open} half-open IKE SAs: the oldest gave way, from {remote}"};
  Endpoint remote;
  std::uint64_t half_open = 0;
  CULVERT_FIELDS(CULVERT_FIELD(remote), CULVERT_FIELD(half_open))
};
struct SourceSlowed {
  static constexpr Info kInfo{"source_slowed", Level::warning, Group::net,
                              "ignored IKE_SA_INIT from {remote}: {failures} IKE SAs from there "
                              "came to nothing in the last seconds; check its credentials"};
  Endpoint remote;
  std::uint32_t failures = 0;
  CULVERT_FIELDS(CULVERT_FIELD(remote), CULVERT_FIELD(failures))
};
struct RetryWithCookie {
  static constexpr Info kInfo{"retry_with_cookie", Level::info, Group::ike,
                              "the peer asks for a cookie; sending IKE_SA_INIT again with it"};
  CULVERT_FIELDS()
};
struct RetryWithKe {
  static constexpr Info kInfo{"retry_with_ke", Level::info, Group::ike,
                              "the peer wants key exchange {wanted} and not {sent}; trying again"};
  std::string wanted, sent;
  CULVERT_FIELDS(CULVERT_FIELD(wanted), CULVERT_FIELD(sent))
};
struct OtherMethodWanted {  // as responder
  static constexpr Info kInfo{"other_method_wanted", Level::info, Group::ike,
                              "the peer sent a public value of {sent}; asked for {wanted}"};
  std::string wanted, sent;
  CULVERT_FIELDS(CULVERT_FIELD(wanted), CULVERT_FIELD(sent))
};
struct NatDetected {
  static constexpr Info kInfo{"nat_detected", Level::info, Group::ike,
                              "NAT: local side {local}, remote side {remote}"};
  bool local = false, remote = false;
  CULVERT_FIELDS(CULVERT_FIELD(local), CULVERT_FIELD(remote))
};
struct NoCommonProposal {
  static constexpr Info kInfo{
      "no_common_proposal", Level::error, Group::cfg,
      "no common {protocol} proposal: of {type}, the peer offers {offered}; "
      "accepted here: {accepted}. Add one to `{setting}` on either side",
      true};
  std::string_view protocol;  // "IKE" or "ESP"
  TransformType type{};
  std::string offered, accepted;
  std::string_view setting;
  CULVERT_FIELDS(CULVERT_FIELD(protocol), CULVERT_FIELD(type), CULVERT_FIELD(offered),
                 CULVERT_FIELD(accepted), CULVERT_FIELD(setting))
};
struct NoConnectionForAddresses {
  static constexpr Info kInfo{"no_connection_for_addresses", Level::error, Group::cfg,
                              "no connection is loaded for {local} and {remote}; check the peer's "
                              "address in the configuration",
                              true};
  Endpoint local, remote;
  CULVERT_FIELDS(CULVERT_FIELD(local), CULVERT_FIELD(remote))
};
struct BadPublicValue {
  static constexpr Info kInfo{"bad_public_value", Level::error, Group::ike,
                              "the peer's public value for {method} fails its check (RFC 6989)",
                              true};
  Ke method{};
  CULVERT_FIELDS(CULVERT_FIELD(method))
};

// ---- addresses ----

struct PathChanged {
  static constexpr Info kInfo{"path_changed", Level::info, Group::net,
                              "moved from {old_local} - {old_remote} to {local} - {remote}: {why}"};
  Endpoint old_local, old_remote, local, remote;
  std::string_view why;
  CULVERT_FIELDS(CULVERT_FIELD(old_local), CULVERT_FIELD(old_remote), CULVERT_FIELD(local),
                 CULVERT_FIELD(remote), CULVERT_FIELD(why))
};
struct PathsProbed {
  static constexpr Info kInfo{"paths_probed", Level::info, Group::net,
                              "no answer over {local} - {remote}; trying {count} other paths"};
  Endpoint local, remote;
  std::uint64_t count = 0;
  CULVERT_FIELDS(CULVERT_FIELD(local), CULVERT_FIELD(remote), CULVERT_FIELD(count))
};
struct NoPath {
  static constexpr Info kInfo{"no_path", Level::error, Group::net,
                              "no address of this machine that the connection allows has a route "
                              "to the peer; waiting for one",
                              true};
  CULVERT_FIELDS()
};
struct AddressesNotAllowed {  // as the one who is asked to move
  static constexpr Info kInfo{
      "addresses_not_allowed", Level::error, Group::cfg,
      "the peer wants to move to {local} - {remote}, which the connection does not allow; widen "
      "`{setting}`",
      true};
  Endpoint local, remote;
  std::string_view setting;
  CULVERT_FIELDS(CULVERT_FIELD(local), CULVERT_FIELD(remote), CULVERT_FIELD(setting))
};
struct AddressesRefused {  // as the one who moves
  static constexpr Info kInfo{"addresses_refused", Level::error, Group::net,
                              "the peer does not accept {local} - {remote}: {notify}. Its "
                              "configuration must allow these addresses",
                              true};
  Endpoint local, remote;
  wire::NotifyType notify{};
  CULVERT_FIELDS(CULVERT_FIELD(local), CULVERT_FIELD(remote), CULVERT_FIELD(notify))
};
struct UnexpectedNat {
  static constexpr Info kInfo{
      "unexpected_nat", Level::error, Group::net,
      "the peer forbids NATs (NO_NATS_ALLOWED), but its message came from {remote} to {local} and "
      "says otherwise. Something on the path translates addresses",
      true};
  Endpoint local, remote;
  CULVERT_FIELDS(CULVERT_FIELD(local), CULVERT_FIELD(remote))
};
struct NotRoutable {
  static constexpr Info kInfo{
      "not_routable", Level::error, Group::ike,
      "{remote} answers a routability check without having seen it (COOKIE2 differs, RFC 4555, "
      "3.7); the IKE SA is closed",
      true};
  Endpoint remote;
  CULVERT_FIELDS(CULVERT_FIELD(remote))
};
struct AddressLost {
  static constexpr Info kInfo{"address_lost", Level::error, Group::net,
                              "{local} is no longer an address of this machine and MOBIKE is not "
                              "in use; the IKE SA is closed",
                              true};
  Endpoint local;
  CULVERT_FIELDS(CULVERT_FIELD(local))
};

// ---- CHILD SAs ----

struct ChildEstablished {
  static constexpr Info kInfo{
      "child_established", Level::info, Group::chd,
      "CHILD SA up: {local_ts} === {remote_ts}, {suite}, SPIs {spi_in} {spi_out}"};
  std::string local_ts, remote_ts, suite, spi_in, spi_out;
  CULVERT_FIELDS(CULVERT_FIELD(local_ts), CULVERT_FIELD(remote_ts), CULVERT_FIELD(suite),
                 CULVERT_FIELD(spi_in), CULVERT_FIELD(spi_out))
};
struct ChildRekeyed {
  static constexpr Info kInfo{"child_rekeyed", Level::info, Group::chd,
                              "CHILD SA {old_in} {old_out} replaced by {spi_in} {spi_out}"};
  std::string old_in, old_out, spi_in, spi_out;
  CULVERT_FIELDS(CULVERT_FIELD(old_in), CULVERT_FIELD(old_out), CULVERT_FIELD(spi_in),
                 CULVERT_FIELD(spi_out))
};
struct ChildDeleted {
  static constexpr Info kInfo{"child_deleted", Level::info, Group::chd,
                              "CHILD SA {spi_in} {spi_out} deleted by {by}"};
  std::string spi_in, spi_out;
  std::string_view by;
  CULVERT_FIELDS(CULVERT_FIELD(spi_in), CULVERT_FIELD(spi_out), CULVERT_FIELD(by))
};
struct SelectorsUnacceptable {
  static constexpr Info kInfo{
      "selectors_unacceptable", Level::error, Group::cfg,
      "traffic selectors do not overlap: the peer has {their_local} === "
      "{their_remote}, here it is {local} === {remote}. The `local` of one side "
      "must meet the `remote` of the other",
      true};
  std::string their_local, their_remote;  // from the peer's point of view
  std::string local, remote;              // ours
  CULVERT_FIELDS(CULVERT_FIELD(their_local), CULVERT_FIELD(their_remote), CULVERT_FIELD(local),
                 CULVERT_FIELD(remote))
};
struct AhThroughNat {
  static constexpr Info kInfo{
      "ah_through_nat", Level::error, Group::cfg,
      "there is a NAT on the path, and AH authenticates the addresses that it changes. Use ESP, or "
      "take the NAT away",
      true};
  CULVERT_FIELDS()
};
struct PfsMismatch {
  static constexpr Info kInfo{"pfs_mismatch", Level::error, Group::cfg,
                              "the peer refuses to rekey this CHILD SA: traffic flows now, and "
                              "would stop when the SA's life "
                              "ends. For PFS, here the key exchange is {accepted}; the peer wants "
                              "another one, or none. Make "
                              "the key exchanges in `esp` the same on both sides",
                              true};
  std::string accepted;
  CULVERT_FIELDS(CULVERT_FIELD(accepted))
};
struct ChildInactive {
  static constexpr Info kInfo{"child_inactive", Level::info, Group::chd,
                              "no packet for {seconds} s: the CHILD SA is deleted"};
  std::uint64_t seconds = 0;
  CULVERT_FIELDS(CULVERT_FIELD(seconds))
};
struct Reauthenticating {
  static constexpr Info kInfo{"reauthenticating", Level::info, Group::ike,
                              "authenticating anew, with a second IKE SA beside this one"};
  CULVERT_FIELDS()
};
struct AuthLifetime {  // RFC 4478
  static constexpr Info kInfo{"auth_lifetime", Level::info, Group::ike,
                              "the peer wants to be authenticated again within {seconds} s"};
  std::uint64_t seconds = 0;
  CULVERT_FIELDS(CULVERT_FIELD(seconds))
};
struct LifetimeOver {
  static constexpr Info kInfo{
      "lifetime_over", Level::error, Group::ike,
      "neither rekeyed nor reauthenticated in time: the IKE SA is deleted. See the events before "
      "this one for what failed",
      true};
  CULVERT_FIELDS()
};
struct ChildlessRefused {
  static constexpr Info kInfo{"childless_refused", Level::error, Group::cfg,
                              "{who} insists on an IKE SA {how} a CHILD SA in IKE_AUTH; set "
                              "`childless` alike on both sides",
                              true};
  std::string_view who, how;
  CULVERT_FIELDS(CULVERT_FIELD(who), CULVERT_FIELD(how))
};
struct WrongMode {
  static constexpr Info kInfo{"wrong_mode", Level::error, Group::cfg,
                              "the peer wants {offered} mode, configured here is {accepted} mode",
                              true};
  std::string_view offered, accepted;
  CULVERT_FIELDS(CULVERT_FIELD(offered), CULVERT_FIELD(accepted))
};
struct SadFailed {
  static constexpr Info kInfo{"sad_failed", Level::error, Group::knl, "{why}", true};
  std::string why;  // a sentence of the data plane's
  CULVERT_FIELDS(CULVERT_FIELD(why))
};

// ---- any exchange ----

struct PeerRefused {  // an error notification answers our request
  static constexpr Info kInfo{"peer_refused", Level::error, Group::ike,
                              "the peer refused {exchange} with {notify}: {meaning}", true};
  wire::ExchangeType exchange{};
  wire::NotifyType notify{};
  std::string meaning;  // what that usually means and what to compare
  CULVERT_FIELDS(CULVERT_FIELD(exchange), CULVERT_FIELD(notify), CULVERT_FIELD(meaning))
};
struct NoAnswer {
  static constexpr Info kInfo{
      "no_answer", Level::error, Group::ike,
      "{remote} did not answer {exchange} in {attempts} attempts over {seconds} s. "
      "Is the peer up, and do firewalls pass UDP 500 and 4500?",
      true};
  Endpoint remote;
  wire::ExchangeType exchange{};
  std::uint32_t attempts = 0;
  std::uint64_t seconds = 0;
  CULVERT_FIELDS(CULVERT_FIELD(remote), CULVERT_FIELD(exchange), CULVERT_FIELD(attempts),
                 CULVERT_FIELD(seconds))
};
struct IkeRekeyed {
  static constexpr Info kInfo{"ike_rekeyed", Level::info, Group::ike,
                              "IKE SA rekeyed, {suite}; the new one is number {successor}"};
  std::string suite;
  std::uint32_t successor = 0;
  CULVERT_FIELDS(CULVERT_FIELD(suite), CULVERT_FIELD(successor))
};
struct IkeDeleted {
  static constexpr Info kInfo{"ike_deleted", Level::info, Group::ike, "IKE SA deleted by {by}"};
  std::string_view by;  // as in ikev2::Closed
  CULVERT_FIELDS(CULVERT_FIELD(by))
};
struct PeerSlowed {
  static constexpr Info kInfo{"peer_slowed", Level::warning, Group::ike,
                              "the peer asks for new keys too often: answered with "
                              "TEMPORARY_FAILURE until it asks for fewer than {limit} a second"};
  std::uint32_t limit = 0;
  CULVERT_FIELDS(CULVERT_FIELD(limit))
};
struct LivenessCheck {
  static constexpr Info kInfo{"liveness_check", Level::debug, Group::ike,
                              "asking whether the peer lives"};
  CULVERT_FIELDS()
};
struct PeerNotice {  // an unprotected error, never acted upon
  static constexpr Info kInfo{"unprotected_notice", Level::info, Group::net,
                              "{remote} sent {notify} without protection; not believed"};
  Endpoint remote;
  wire::NotifyType notify{};
  CULVERT_FIELDS(CULVERT_FIELD(remote), CULVERT_FIELD(notify))
};
struct InternalError {
  static constexpr Info kInfo{"internal_error", Level::error, Group::dmn,
                              "internal error in {where}: {reason}; this one SA is given up", true};
  std::string_view where;
  Reason reason{};
  CULVERT_FIELDS(CULVERT_FIELD(where), CULVERT_FIELD(reason))
};
// ---- updown programs ----

struct HookOutput {
  static constexpr Info kInfo{"hook_output", Level::info, Group::chd, "updown: {line}"};
  std::string line;
  CULVERT_FIELDS(CULVERT_FIELD(line))
};
struct HookFailed {
  static constexpr Info kInfo{"hook_failed", Level::warning, Group::chd,
                              "`{command}` {outcome} on {verb}; correct the program, or `updown`"};
  std::string command, outcome, verb;
  CULVERT_FIELDS(CULVERT_FIELD(command), CULVERT_FIELD(outcome), CULVERT_FIELD(verb))
};
struct HookSkipped {
  static constexpr Info kInfo{"hook_skipped", Level::error, Group::chd,
                              "{waiting} updown programs wait for their turn: `{command}` is not "
                              "run on {verb}. Make the program faster",
                              true};
  std::string command, verb;
  std::uint64_t waiting = 0;
  CULVERT_FIELDS(CULVERT_FIELD(command), CULVERT_FIELD(verb), CULVERT_FIELD(waiting))
};
// What an operator did and how the daemon took it.
struct Notice {
  static constexpr Info kInfo{"notice", Level::info, Group::cfg, "{text}"};
  std::string text;
  CULVERT_FIELDS(CULVERT_FIELD(text))
};

using Body = std::variant<
    MessageSent, MessageReceived, Retransmitted, ResponseRepeated, MessageDropped, MalformedMessage,
    Initiating, PeerNotResolved, CookieDemanded, CookiesBegin, CookiesEnd, HalfOpenEvicted,
    SourceSlowed, PeerSlowed, RetryWithCookie, RetryWithKe, OtherMethodWanted, NatDetected,
    NoCommonProposal, NoConnectionForAddresses, BadPublicValue, IkeEstablished,
    NoConnectionForIdentity, NoSecret, WrongSecret, PathChanged, PathsProbed, NoPath,
    AddressesNotAllowed, AddressesRefused, UnexpectedNat, NotRoutable, AddressLost, WrongAuthMethod,
    NoOwnCertificate, NoCommonSignature, SigningFailed, NoPeerCertificate, IdentityNotInCertificate,
    CertificateRefused, RevocationNotTold, OtherCertificateWanted, OtherCaWanted, BadSignature,
    WrongEapKey, EapAttemptRefused, NoEapCredential, NoSimCard, EapNotSafeAlone, UnexpectedIdentity,
    SecondSaRefused, InitiatedByBoth, ChildEstablished, ChildRekeyed, ChildDeleted,
    SelectorsUnacceptable, WrongMode, SadFailed, AhThroughNat, PfsMismatch, ChildInactive,
    Reauthenticating, AuthLifetime, LifetimeOver, ChildlessRefused, PeerRefused, NoAnswer,
    IkeRekeyed, IkeDeleted, LivenessCheck, PeerNotice, InternalError, AddressLeased, PoolExhausted,
    AddressNotRequested, NoAddressAssigned, EapSucceeded, EapFailed, AaaAccepted, AaaRejected,
    AaaFailed, NotInGroup, AaaSessionOver, AaaSessionChanged, AaaDisconnected, AaaRequestIgnored,
    AaaNotListening, AccountingNotTaken, AaaServerDead, AaaServerAlive, AaaAnswerDropped,
    HookOutput, HookFailed, HookSkipped, ForwardingOn, GatewayFailed, Notice>;

// Whom an event is about; empty or zero where that is not known.
struct Subject {
  std::string connection;
  std::string child;
  std::uint64_t ike_unique_id = 0;
  std::uint64_t child_unique_id = 0;
  Endpoint local, remote;
};

struct Event {
  Subject subject;
  Body body;
};

}  // namespace culvert::trace
