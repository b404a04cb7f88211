// Owns the IKE_SA_INIT exchange. Invariant: a responder that refuses keeps nothing; an initiator
// believes an unprotected refusal only while it has no answer, and bounds its retries.
#include "ikev2/ike_sa_init.h"

#include <algorithm>

#include "ikev2/child_negotiation.h"
#include "ikev2/ike_auth.h"
#include "ikev2/key_agreement.h"
#include "ikev2/nat_detection.h"
#include "ikev2/refusal.h"
#include "ikev2/signature_auth.h"

namespace culvert::ikev2 {
namespace {

using wire::ExchangeType;
using wire::NotifyType;
using wire::PayloadType;

// Pretending a NAT for the sake of speed would take away AH, which none passes.
bool has_ah(const ConnectionConfig& connection) {
  return std::ranges::any_of(connection.children, [](const ChildConfig& child) {
    return protocol_of(child) == wire::ProtocolId::ah;
  });
}

bool wants_udp_encap(const Host& host, const ConnectionConfig& connection) {
  return connection.encap == Encap::always ||
         (connection.encap == Encap::automatic && host.options().prefer_udp_encap &&
          !has_ah(connection));
}

bool has_signatures(const ConnectionConfig& connection) {
  return connection.local.kind == AuthKind::pubkey || connection.remote.kind == AuthKind::pubkey;
}

bool start_key_exchange(Host& host, IkeSa& sa, Ke method) {
  auto ke = host.provider().generate(method);
  if (!ke) {
    emit(host, sa, trace::InternalError{"key exchange", ke.error().reason});
    close(sa, "failure");
    return false;
  }
  sa.in<InitSent>()->ke = std::move(*ke);
  return true;
}

// RFC 7383, 2.3.
void announce_fragmentation(const IkeSa& sa, Payloads& payloads) {
  if (sa.connection->fragmentation != Fragmentation::no)
    payloads.push_back(make_notify(NotifyType::fragmentation_supported));
}
bool agree_on_fragmentation(const IkeSa& sa, const Inbound& in) {
  return sa.connection->fragmentation != Fragmentation::no &&
         wire::find_notify(in.payloads, NotifyType::fragmentation_supported) != nullptr;
}

void send_init_request(Host& host, IkeSa& sa, TimePoint now) {
  InitSent& init = *sa.in<InitSent>();
  Payloads payloads;
  if (!init.cookie.empty()) payloads.push_back(make_notify(NotifyType::cookie, init.cookie));
  payloads.emplace_back(PayloadType::sa, to_wire(sa.connection->proposals, {}, false));
  payloads.push_back(ke_payload(*init.ke));
  payloads.emplace_back(PayloadType::nonce, wire::Nonce{init.nonce});
  add_nat_detection(host, sa, sa.local, sa.remote, payloads);
  announce_fragmentation(sa, payloads);
  if (has_signatures(*sa.connection)) add_signature_hashes(payloads);
  sa.next_request_id = 0;
  send_request(host, sa, ExchangeType::ike_sa_init, payloads, now);
}

// True when the response only asks us to try again, and we do. RFC 7296, 2.6 and 1.2.
bool retry(Host& host, IkeSa& sa, const Inbound& in) {
  InitSent& init = *sa.in<InitSent>();
  const auto* cookie = wire::find_notify(in.payloads, NotifyType::cookie);
  const auto* invalid_ke = wire::find_notify(in.payloads, NotifyType::invalid_ke_payload);
  if (!cookie && !invalid_ke) return false;
  if (cookie) {
    if (cookie->data.empty() || cookie->data.size() > limits::kMaxCookieSize) return false;
    // The answer to a repetition: the request with this cookie is on its way.
    if (equal(cookie->data, init.cookie)) return true;
    if (++init.retries > limits::kMaxCookieRetries) return false;
    init.cookie = cookie->data;
    emit(host, sa, trace::RetryWithCookie{});
  } else {
    // The answer to a repetition, likewise.
    if (init.retries > 0 && equal(invalid_ke->data, method_octets(init.ke->method()))) return true;
    const auto wanted = other_method(in.payloads, init.ke->method(), sa.connection->proposals);
    if (!wanted || ++init.retries > limits::kMaxCookieRetries) return false;
    emit(host, sa, trace::RetryWithKe{vici_name(*wanted), vici_name(init.ke->method())});
    if (!start_key_exchange(host, sa, *wanted)) return true;
  }
  sa.outstanding.reset();
  send_init_request(host, sa, in.now);
  return true;
}

// Derives everything from the peer's public value; false with the event emitted.
bool agree_on_keys(Host& host, IkeSa& sa, KeyExchange& ke, ByteView peer_value,
                   AuthMaterial& auth) {
  auto secret = ke.derive(peer_value);
  if (!secret) {
    emit(host, sa, trace::BadPublicValue{ke.method()});
    return false;
  }
  auto keys = derive_ike_keys(host.provider(), {sa.suite.prf, sa.suite.cipher, auth.nonce_i,
                                                auth.nonce_r, secret->view(), sa.spi_i, sa.spi_r});
  if (!keys) {
    emit(host, sa, trace::InternalError{"IKE keys", keys.error().reason});
    return false;
  }
  sa.keys = IkeSaKeys(*keys);
  auth.sk_p = SecretPack<2>({keys->sk_pi.view(), keys->sk_pr.view()});
  return true;
}

// RFC 7296, 2.23: the initiator floats to port 4500.
void float_to_nat_t_port(Host& host, IkeSa& sa) {
  sa.local.port = host.options().nat_t_port;
  if (sa.remote.port == sa.connection->remote_port && sa.remote.port == 500) sa.remote.port = 4500;
  // Two of ours with other ports than the registered ones float alike.
  if (sa.remote.port == host.options().ike_port) sa.remote.port = host.options().nat_t_port;
}

trace::NoCommonProposal no_proposal(ProposalMismatch&& mismatch) {
  return {"IKE", mismatch.type, std::move(mismatch.offered), std::move(mismatch.accepted), "ike"};
}

// The connection and suite for an initiator that we only know by address; else refuses.
std::optional<ProposalChoice> choose(Host& host, IkeSa& sa, const Inbound& in,
                                     const wire::Sa& offer, Ke preferred) {
  const auto candidates = host.connections().by_addresses(sa.local.address, sa.remote.address, 2);
  std::optional<ProposalMismatch> mismatch;
  for (const ConnectionRef& candidate : candidates) {
    SelectOptions options;
    options.prefer_ke = preferred;
    options.provider = &host.provider();
    auto choice = select_proposal(candidate->proposals, offer, options);
    if (choice) {
      sa.connection = candidate;
      return std::move(*choice);
    }
    if (!mismatch) {
      sa.connection = candidate;
      mismatch = std::move(choice.error());
    }
  }
  if (mismatch)
    emit(host, sa, no_proposal(std::move(*mismatch)));
  else
    emit(host, sa, trace::NoConnectionForAddresses{sa.local, sa.remote});
  send_unprotected_notify(host, in.header, in.datagram, NotifyType::no_proposal_chosen, {});
  return std::nullopt;
}

void send_init_response(Host& host, IkeSa& sa, const ProposalChoice& choice, const KeyExchange& ke,
                        bool nat_t) {
  Payloads payloads;
  payloads.emplace_back(PayloadType::sa, wire::Sa{{choice.accepted}});
  payloads.push_back(ke_payload(ke));
  payloads.emplace_back(PayloadType::nonce, wire::Nonce{sa.in<HalfOpen>()->auth.nonce_r});
  if (nat_t) add_nat_detection(host, sa, sa.local, sa.remote, payloads);
  if (sa.fragmentation) announce_fragmentation(sa, payloads);
  if (sa.connection->childless != Childless::never)
    payloads.push_back(make_notify(NotifyType::childless_ikev2_supported));  // RFC 6023
  // Who calls, and how it has to prove that, is not known yet.
  if (sa.in<HalfOpen>()->auth.peer_hashes) add_signature_hashes(payloads);
  add_certificate_request(host, {}, payloads);
  send_response(host, sa, ExchangeType::ike_sa_init, 0, payloads);
  // Repeated as long as the SA is half-open, and nowhere else.
  sa.in<HalfOpen>()->auth.init_response = std::move(sa.last_response);
}

}  // namespace

void initiate(Host& host, IkeSa& sa, TimePoint now) {
  sa.role = Role::initiator;
  sa.first_initiator = true;
  sa.created = sa.last_inbound = now;
  sa.state = InitSent{nullptr, new_nonce(host), {}, 0};
  sa.nat_fake = wants_udp_encap(host, *sa.connection);
  emit(host, sa, trace::Initiating{sa.remote});
  if (!start_key_exchange(host, sa, sa.connection->proposals.front().ke.front())) return;
  send_init_request(host, sa, now);
}

void handle_ike_sa_init_response(Host& host, IkeSa& sa, const Inbound& in) {
  if (retry(host, sa, in)) return;
  const auto* answer = wire::find<wire::Sa>(in.payloads, PayloadType::sa);
  const auto* ke = wire::find<wire::KeyExchangePayload>(in.payloads, PayloadType::ke);
  const auto* nonce = wire::find<wire::Nonce>(in.payloads, PayloadType::nonce);
  if (!answer || !ke || !nonce || in.header.spi_r == 0) {
    report_refusal(host, sa, in);
    // Anyone could have sent this: only an error in the RFC's form ends the attempt, nonsense does
    // not.
    if (first_error(in.payloads)) close(sa, "failure");
    return;
  }
  InitSent init = std::move(*sa.in<InitSent>());
  auto choice = verify_choice(sa.connection->proposals, *answer, false);
  if (!choice) {
    emit(host, sa, no_proposal(std::move(choice.error())));
    return close(sa, "failure");
  }
  if (choice->suite.ke != init.ke->method() || Ke{ke->method} != init.ke->method()) {
    emit(host, sa,
         trace::MalformedMessage{ExchangeType::ike_sa_init, 0, Reason::no_match, 0,
                                 "KE is not of the method that SA chooses"});
    return close(sa, "failure");
  }
  sa.suite = choice->suite;
  sa.spi_r = in.header.spi_r;
  AuthMaterial auth;
  auth.nonce_i = std::move(init.nonce);
  auth.nonce_r = nonce->data;
  auth.init_request = std::move(sa.outstanding->datagram);
  auth.init_response = to_bytes(in.datagram.payload);
  auth.peer_hashes = signature_hashes(in.payloads);
  auth.wants_cert = has_certificate_request(sa, in.payloads);
  sa.outstanding.reset();
  if (!agree_on_keys(host, sa, *init.ke, ke->data, auth)) return close(sa, "failure");
  sa.local.address = in.datagram.local.address;
  apply_nat_detection(host, sa, detect_nat(host, in.header, in.datagram, in.payloads));
  // RFC 4555, 3.3: with MOBIKE also where there is no NAT yet.
  if (sa.udp_encap || (sa.peer_nat_t && sa.connection->mobike)) float_to_nat_t_port(host, sa);
  sa.peer_childless =
      wire::find_notify(in.payloads, NotifyType::childless_ikev2_supported) != nullptr;
  sa.fragmentation = agree_on_fragmentation(sa, in);
  if (sa.connection->childless == Childless::force && !sa.peer_childless) {
    emit(host, sa, trace::ChildlessRefused{"the peer", "with"});
    return close(sa, "failure");
  }
  begin_ike_auth(host, sa, std::move(auth), in.now);
}

bool respond_to_ike_sa_init(Host& host, IkeSa& sa, const Inbound& in) {
  const auto* offer = wire::find<wire::Sa>(in.payloads, PayloadType::sa);
  const auto* ke = wire::find<wire::KeyExchangePayload>(in.payloads, PayloadType::ke);
  const auto* nonce = wire::find<wire::Nonce>(in.payloads, PayloadType::nonce);
  auto choice = choose(host, sa, in, *offer, Ke{ke->method});
  if (!choice) return false;
  sa.suite = choice->suite;
  if (choice->suite.ke != Ke{ke->method}) {
    emit(host, sa,
         trace::OtherMethodWanted{vici_name(choice->suite.ke), vici_name(Ke{ke->method})});
    send_unprotected_notify(host, in.header, in.datagram, NotifyType::invalid_ke_payload,
                            method_octets(choice->suite.ke));
    return false;
  }
  auto our_ke = host.provider().generate(choice->suite.ke);
  if (!our_ke) {
    emit(host, sa, trace::InternalError{"key exchange", our_ke.error().reason});
    return false;
  }
  sa.role = Role::responder;
  sa.spi_i = in.header.spi_i;
  sa.spi_r = host.new_ike_spi();
  sa.created = sa.last_inbound = in.now;
  sa.expires = in.now + host.options().half_open_lifetime;
  sa.expected_request_id = 1;
  HalfOpen half_open;
  half_open.auth.nonce_i = nonce->data;
  half_open.auth.nonce_r = new_nonce(host);
  half_open.auth.init_request = to_bytes(in.datagram.payload);
  half_open.auth.peer_hashes = signature_hashes(in.payloads);
  if (!agree_on_keys(host, sa, **our_ke, ke->data, half_open.auth)) {
    // RFC 6989, 2: a bad public value is answered as a syntax error.
    send_unprotected_notify(host, in.header, in.datagram, NotifyType::invalid_syntax, {});
    return false;
  }
  sa.state = std::move(half_open);
  sa.nat_fake = wants_udp_encap(host, *sa.connection);
  sa.fragmentation = agree_on_fragmentation(sa, in);
  const NatDetection nat = detect_nat(host, in.header, in.datagram, in.payloads);
  apply_nat_detection(host, sa, nat);
  send_init_response(host, sa, *choice, **our_ke, nat.announced);
  return true;
}

void send_unprotected_notify(Host& host, const wire::Header& request, const Datagram& datagram,
                             wire::NotifyType type, Bytes data) {
  wire::Header header = request;
  header.initiator = !request.initiator;
  header.response = true;
  header.higher_version = false;
  header.major = 2;
  header.minor = 0;
  const wire::Payload payload = make_notify(type, std::move(data));
  host.transmit({datagram.local, datagram.remote, wire::encode_message(header, {&payload, 1})});
}

}  // namespace culvert::ikev2
