// Owns what goes out on an IKE SA. Invariant: at most one request of ours is outstanding, its
// octets never change, and a message ID is used for one request only.
#include "ikev2/channel.h"

#include <algorithm>
#include <cmath>

namespace culvert::ikev2 {
namespace {

trace::MessageSummary summarize(const wire::Header& header, std::span<const wire::Payload> payloads,
                                std::size_t size, std::size_t fragments) {
  trace::MessageSummary summary;
  summary.exchange = header.exchange;
  summary.response = header.response;
  summary.from_initiator = header.initiator;
  summary.encrypted = header.exchange != wire::ExchangeType::ike_sa_init;
  summary.message_id = header.message_id;
  summary.size = static_cast<std::uint32_t>(size);
  summary.fragments = static_cast<std::uint16_t>(fragments);
  for (const wire::Payload& payload : payloads) {
    std::uint16_t detail = 0;
    if (const auto* notify = std::get_if<wire::Notify>(&payload.body))
      detail = static_cast<std::uint16_t>(notify->type);
    if (const auto* ke = std::get_if<wire::KeyExchangePayload>(&payload.body)) detail = ke->method;
    summary.add(static_cast<std::uint8_t>(payload.type), detail);
  }
  return summary;
}

wire::Header header_of(const IkeSa& sa, wire::ExchangeType exchange, std::uint32_t message_id,
                       bool response) {
  wire::Header header;
  header.spi_i = sa.spi_i;
  header.spi_r = sa.spi_r;
  header.exchange = exchange;
  header.initiator = sa.is_initiator();
  header.response = response;
  header.message_id = message_id;
  return header;
}

// A message in one datagram, or its fragments one after the other.
struct Encoded {
  Bytes octets;
  std::size_t fragments = 0;
};

Result<Encoded> seal(Host& host, IkeSa& sa, const wire::Header& header,
                     std::span<const wire::Payload> payloads) {
  Encoded encoded;
  if (!may_fragment(sa)) {
    encoded.octets = TRY(
        wire::seal_message(host.provider(), outbound_keys(sa), header, payloads, sa.iv_counter++));
    return encoded;
  }
  auto datagrams = TRY(wire::seal_fragments(host.provider(), outbound_keys(sa), header, payloads,
                                            sa.iv_counter, largest_message(host, sa)));
  sa.iv_counter += datagrams.size();
  if (datagrams.size() > 1) encoded.fragments = datagrams.size();
  encoded.octets = std::move(datagrams.front());
  for (const Bytes& next : std::span(datagrams).subspan(1))
    encoded.octets.insert(encoded.octets.end(), next.begin(), next.end());
  return encoded;
}

// The octets of a message; empty (and the SA closed) when our own cryptography fails.
Bytes encode(Host& host, IkeSa& sa, const wire::Header& header,
             std::span<const wire::Payload> payloads) {
  Encoded encoded;
  if (header.exchange == wire::ExchangeType::ike_sa_init) {
    encoded.octets = wire::encode_message(header, payloads);
  } else {
    auto sealed = seal(host, sa, header, payloads);
    if (!sealed) {
      emit(host, sa, trace::InternalError{"seal", sealed.error().reason});
      close(sa, "failure");
      return {};
    }
    encoded = std::move(*sealed);
  }
  note_sent(host, sa, header, payloads, encoded.octets.size(), encoded.fragments);
  return std::move(encoded.octets);
}

void transmit_all(Host& host, const Endpoint& local, const Endpoint& remote, ByteView datagrams) {
  for_each_message(datagrams,
                   [&](ByteView datagram) { host.transmit({local, remote, to_bytes(datagram)}); });
}

// RFC 7296, 2.11: a response goes to where its request came from.
void transmit_response(Host& host, const IkeSa& sa, ByteView datagrams) {
  if (sa.answering)
    transmit_all(host, sa.answering->local, sa.answering->remote, datagrams);
  else
    transmit_all(host, sa.local, sa.remote, datagrams);
}

Duration backoff(Host& host, std::uint32_t attempt) {
  const RetransmitPolicy& policy = host.options().retransmit;
  double seconds = std::chrono::duration<double>(policy.timeout).count() *
                   std::pow(policy.base, static_cast<double>(attempt));
  seconds = std::min(seconds, std::chrono::duration<double>(policy.limit).count());
  std::uint8_t octets[4];
  host.provider().random(octets);
  const double unit = load_be<std::uint32_t>(octets) / 4294967296.0;
  seconds *= 1.0 - policy.jitter * unit;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

wire::ProtectionKeys outbound_keys(const IkeSa& sa) {
  const bool i = sa.is_initiator();
  return {sa.suite.cipher, i ? sa.keys.sk_ei() : sa.keys.sk_er(),
          i ? sa.keys.sk_ai() : sa.keys.sk_ar()};
}

wire::ProtectionKeys inbound_keys(const IkeSa& sa) {
  const bool i = sa.is_initiator();
  return {sa.suite.cipher, i ? sa.keys.sk_er() : sa.keys.sk_ei(),
          i ? sa.keys.sk_ar() : sa.keys.sk_ai()};
}

wire::Payload make_notify(wire::NotifyType type, Bytes data, wire::ProtocolId protocol, Bytes spi) {
  return {wire::PayloadType::notify, wire::Notify{protocol, std::move(spi), type, std::move(data)}};
}

void send_request(Host& host, IkeSa& sa, wire::ExchangeType exchange,
                  std::span<const wire::Payload> payloads, TimePoint now) {
  const wire::Header header = header_of(sa, exchange, sa.next_request_id, false);
  Bytes datagram = encode(host, sa, header, payloads);
  if (datagram.empty()) return;
  transmit_all(host, sa.local, sa.remote, datagram);
  sa.outstanding = std::make_unique<Outstanding>(Outstanding{
      sa.next_request_id, exchange, 0, now, now + backoff(host, 0), std::move(datagram)});
  ++sa.next_request_id;
  schedule_keepalive(host, sa, now);
}

void send_response(Host& host, IkeSa& sa, wire::ExchangeType exchange, std::uint32_t message_id,
                   std::span<const wire::Payload> payloads) {
  const wire::Header header = header_of(sa, exchange, message_id, true);
  Bytes datagram = encode(host, sa, header, payloads);
  if (datagram.empty()) return;
  transmit_response(host, sa, datagram);
  sa.last_response = std::move(datagram);
}

void repeat_response(Host& host, IkeSa& sa, std::uint32_t message_id) {
  if (sa.last_response.empty()) return;
  emit(host, sa, trace::ResponseRepeated{message_id});
  transmit_response(host, sa, sa.last_response);
}

bool retransmit_if_due(Host& host, IkeSa& sa, TimePoint now) {
  if (!sa.outstanding || sa.outstanding->next_at > now) return true;
  Outstanding& request = *sa.outstanding;
  if (request.attempt >= host.options().retransmit.tries) return false;
  ++request.attempt;
  request.next_at = now + backoff(host, request.attempt);
  emit(host, sa, trace::Retransmitted{request.attempt, request.exchange, request.message_id});
  transmit_all(host, sa.local, sa.remote, request.datagram);
  return true;
}

Endpoint endpoint_at(const Host& host, const IkeSa& sa, const IpAddress& remote) {
  const bool mapped = sa.nat_remote && remote != sa.remote.address;
  return {remote, mapped ? host.options().nat_t_port : sa.remote.port};
}

void probe(Host& host, IkeSa& sa, const Path& path) {
  sa.outstanding->probed = true;
  transmit_all(host, {path.local, sa.local.port}, endpoint_at(host, sa, path.remote),
               sa.outstanding->datagram);
}

void schedule_keepalive(Host& host, IkeSa& sa, TimePoint now) {
  const Duration interval = host.options().nat_keepalive;
  const bool wanted =
      sa.nat_local && sa.in<Established>() && !sa.rekeyed && interval > Duration::zero();
  sa.keepalive_at = wanted ? now + interval : kNever;
}

void send_keepalive(Host& host, IkeSa& sa, TimePoint now) {
  Keepalive due{sa.local, sa.remote, {}};
  for (const ChildSa& child : sa.children)
    if (!child.is_going()) due.pairs.push_back(child.pair);
  schedule_keepalive(host, sa, now);
  if (sa.keepalive_at != kNever) host.keepalive(std::move(due));
}

void note_sent(Host& host, IkeSa& sa, const wire::Header& header,
               std::span<const wire::Payload> payloads, std::size_t size, std::size_t fragments) {
  if (host.options().verbose_messages)
    emit(host, sa, trace::MessageSent{summarize(header, payloads, size, fragments)});
}

void note_received(Host& host, IkeSa& sa, const wire::Header& header,
                   std::span<const wire::Payload> payloads, std::size_t fragments) {
  if (host.options().verbose_messages)
    emit(host, sa, trace::MessageReceived{summarize(header, payloads, header.length, fragments)});
}

}  // namespace culvert::ikev2
