// Owns the way from octets to handlers. Invariant: before the integrity check has passed, a message
// changes nothing but a counter.
#include "ikev2/dispatch.h"

#include <optional>

#include "ikev2/aaa_session.h"
#include "ikev2/child.h"
#include "ikev2/ike_rekey.h"
#include "ikev2/path.h"
#include "ikev2/reauthentication.h"
#include "ikev2/tasks.h"
#include "ikev2/transitions.h"

namespace culvert::ikev2 {
namespace {

using wire::ExchangeType;
using wire::NotifyType;

void drop(Host& host, IkeSa& sa, const Datagram& datagram, Reason reason, std::string_view what,
          std::uint32_t offset = 0) {
  emit(host, sa, trace::MessageDropped{datagram.remote, reason, offset, what});
}

// An authenticated message that breaks the protocol. A request is answered; INVALID_SYNTAX is fatal
// for the IKE SA on both sides (RFC 7296, 2.21.3), an unknown critical payload is not.
void reject(Host& host, IkeSa& sa, const wire::Header& header, const Error& error,
            std::string_view what, Bytes data = {}) {
  emit(host, sa,
       trace::MalformedMessage{header.exchange, header.message_id, error.reason, error.offset,
                               what});
  const NotifyType type = error.notify ? NotifyType{error.notify} : NotifyType::invalid_syntax;
  if (!header.response) {
    const wire::Payload payload = make_notify(type, std::move(data));
    send_response(host, sa, header.exchange, header.message_id, {&payload, 1});
  }
  const bool fatal =
      header.response || type == NotifyType::invalid_syntax || tag_of(sa) != StateTag::established;
  if (fatal) close(sa, "failure");
}

// The request that is being handled, for as long as it is.
class Answering {
 public:
  Answering(IkeSa& sa, const wire::Header& header, const Datagram& datagram) : sa_(sa) {
    if (!header.response) sa_.answering = &datagram;
  }
  ~Answering() { sa_.answering = nullptr; }
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;

 private:
  IkeSa& sa_;
};

// Message-ID window of one (RFC 7296, 2.3), before anything is decrypted.
enum class Window : std::uint8_t { next, repeated, outside };
Window classify(const IkeSa& sa, const wire::Header& header) {
  if (header.response) {
    const bool fits = sa.outstanding && sa.outstanding->message_id == header.message_id &&
                      sa.outstanding->exchange == header.exchange;
    return fits ? Window::next : Window::outside;
  }
  if (header.message_id == sa.expected_request_id) return Window::next;
  if (header.message_id + 1 == sa.expected_request_id) return Window::repeated;
  return Window::outside;
}

void run(Host& host, IkeSa& sa, const Transition& row, const Inbound& in) {
  if (auto valid = check_payloads(row, in.payloads); !valid)
    return reject(host, sa, in.header, valid.error(), row.story);
  if (sa.rival_of && !in.header.response) settle_by_use(host, sa, in.payloads);
  row.handler(host, sa, in);
  if (!sa.closed()) run_next_task(host, sa, in.now);
}

void receive_clear(Host& host, IkeSa& sa, const wire::Header& header, const Datagram& datagram,
                   TimePoint now) {
  const Transition* row = find_transition(tag_of(sa), header.exchange, header.response);
  if (!row) return drop(host, sa, datagram, Reason::bad_order, "no place for it in this state");
  auto message = wire::decode_message(datagram.payload);
  if (!message)
    return drop(host, sa, datagram, message.error().reason, "IKE_SA_INIT", message.error().offset);
  if (auto valid = check_payloads(*row, message->payloads); !valid)
    return drop(host, sa, datagram, valid.error().reason, row->story);
  note_received(host, sa, header, message->payloads);
  row->handler(host, sa, {header, message->payloads, datagram, now});
}

// A request that has been answered already gets the answer that it had.
void answer_again(Host& host, IkeSa& sa, const wire::Header& header, const Datagram& datagram) {
  Result<bool> wanted = true;
  if (header.next_payload == wire::PayloadType::skf)
    wanted = repeats_first_fragment(host, sa, datagram.payload);
  else if (auto opened = wire::open_encrypted(host.provider(), inbound_keys(sa), datagram.payload);
           !opened)
    wanted = std::unexpected(opened.error());
  if (!wanted)
    return drop(host, sa, datagram, wanted.error().reason, "repeated request",
                wanted.error().offset);
  if (!*wanted) return;
  if (sa.last_response.empty())
    return drop(host, sa, datagram, Reason::bad_order, "a message ID of IKE_SA_INIT");
  repeat_response(host, sa, header.message_id);
}

// A verified message, in one datagram or out of the fragments of which this is the last missing.
Result<std::optional<Reassembled>> unseal(Host& host, IkeSa& sa, const wire::Header& header,
                                          const Datagram& datagram, TimePoint now) {
  if (header.next_payload == wire::PayloadType::skf)
    return collect_fragment(host, sa, header, datagram.payload, now);
  return Reassembled{TRY(wire::open_encrypted(host.provider(), inbound_keys(sa), datagram.payload)),
                     0, header.length};
}

void receive_protected(Host& host, IkeSa& sa, const wire::Header& first, const Datagram& datagram,
                       Window window, TimePoint now) {
  if (sa.keys.empty()) return drop(host, sa, datagram, Reason::bad_order, "protected before keys");
  const Answering answering(sa, first, datagram);
  if (window == Window::repeated) return answer_again(host, sa, first, datagram);
  auto unsealed = unseal(host, sa, first, datagram, now);
  if (!unsealed && unsealed.error().notify == 0)
    return drop(host, sa, datagram, unsealed.error().reason,
                first.next_payload == wire::PayloadType::skf ? "SKF payload" : "SK payload",
                unsealed.error().offset);
  if (unsealed && !*unsealed) return;  // fragments are missing
  wire::Header header = first;
  if (unsealed) header.length = (*unsealed)->octets;

  const Transition* row = find_transition(tag_of(sa), header.exchange, header.response);
  // A request that overtakes the response to our IKE_AUTH, or comes while we look into that: the
  // peer will repeat it.
  const bool early = !row && (sa.in<AuthSent>() || sa.in<EapSent>() || sa.in<EvidencePending>());
  if (!row && (header.response || early))
    return drop(host, sa, datagram, Reason::bad_order, "no place for it in this state");
  sa.last_inbound = now;
  follow_peer(host, sa, datagram);
  sa.fragments[header.response ? 1 : 0].reset();
  if (header.response) {
    settle_on_path(host, sa, datagram, now);
    sa.outstanding.reset();
  } else {
    ++sa.expected_request_id;
    sa.last_response.clear();  // of the request before; a repetition of this one has to wait
  }
  if (!unsealed) return reject(host, sa, header, unsealed.error(), "SK payload");
  if (!row)
    return reject(host, sa, header,
                  Error{Fault::peer_misbehaved, Reason::bad_order,
                        static_cast<std::uint16_t>(NotifyType::invalid_syntax), 0},
                  "this exchange has no place in this state");
  const wire::Opened& opened = (*unsealed)->content;
  auto payloads = wire::decode_payloads(opened.inner, opened.plaintext);
  if (!payloads) {
    Bytes data;
    if (auto type = wire::first_unknown_critical(opened.inner, opened.plaintext);
        type && payloads.error().reason == Reason::unsupported_critical)
      data.push_back(static_cast<std::uint8_t>(*type));
    return reject(host, sa, header, payloads.error(), "payloads", std::move(data));
  }
  note_received(host, sa, header, *payloads, (*unsealed)->fragments);
  run(host, sa, *row, {header, *payloads, datagram, now});
}

}  // namespace

void receive(Host& host, IkeSa& sa, const wire::Header& header, const Datagram& datagram,
             TimePoint now) {
  const Window window = classify(sa, header);
  if (window == Window::outside)
    return drop(
        host, sa, datagram, Reason::no_match,
        header.response ? "a response to no request of ours" : "message ID outside the window");
  if (header.exchange == ExchangeType::ike_sa_init)
    return receive_clear(host, sa, header, datagram, now);
  receive_protected(host, sa, header, datagram, window, now);
}

void receive_first(Host& host, IkeSa& sa, const wire::Header& header,
                   std::span<const wire::Payload> payloads, const Datagram& datagram,
                   TimePoint now) {
  sa.local = datagram.local;
  sa.remote = sa.first_remote = datagram.remote;
  const Transition& row = *find_transition(StateTag::absent, ExchangeType::ike_sa_init, false);
  if (auto valid = check_payloads(row, payloads); !valid) {
    drop(host, sa, datagram, valid.error().reason, row.story);
    return close(sa, "refused");
  }
  note_received(host, sa, header, payloads);
  row.handler(host, sa, {header, payloads, datagram, now});
}

void expire(Host& host, IkeSa& sa, TimePoint now) {
  drop_expired_fragments(sa, now);
  if (sa.expires <= now) return close(sa, "timeout");
  const bool due = sa.outstanding && sa.outstanding->next_at <= now;
  if (!retransmit_if_due(host, sa, now)) {
    const Outstanding& request = *sa.outstanding;
    const auto waited = std::chrono::duration_cast<std::chrono::seconds>(now - request.first_sent);
    emit(host, sa,
         trace::NoAnswer{sa.remote, request.exchange, request.attempt + 1,
                         static_cast<std::uint64_t>(waited.count())});
    concede_ike_rekey(host, sa);
    // Who does not answer our Delete may have answered: that is no dead peer to act upon.
    const std::string_view wanted = closing_by(sa);
    return close(sa, wanted.empty() ? "timeout" : wanted);
  }
  auto* up = sa.in<Established>();
  if (!up) return;
  if (sa.superseded_at <= now) {
    sa.superseded_at = kNever;
    if (!is_closing(sa)) queue_ike_delete(sa, "replacement");
  }
  expire_authentication(host, sa, now);
  if (sa.closed()) return;
  expire_session(host, sa, now);
  // RFC 4555, 3.5: a request without an answer says that the path may be the reason.
  if (due && sa.mobility && sa.first_initiator) seek_paths(host, sa);
  if (sa.keepalive_at <= now) send_keepalive(host, sa, now);
  expire_children(host, sa, now);
  if (sa.rekey_at <= now) {
    sa.rekey_at = kNever;
    if (sa.superseded_at == kNever) queue_task(sa, RekeyIke{});
  }
  const Duration dpd = sa.connection->dpd_delay;
  if (!sa.outstanding && up->queue.empty() && dpd > Duration::zero() &&
      sa.last_inbound + dpd <= now)
    queue_task(sa, CheckLiveness{});
  run_next_task(host, sa, now);
}

}  // namespace culvert::ikev2
