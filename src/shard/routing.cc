// From a datagram to the IKE SA that it belongs to, or to a new one: half-open limits and cookies.
// Invariant: a stranger's message costs no memory before its address has answered a cookie, once
// there are more half-open SAs than the threshold.
#include <algorithm>

#include "ikev2/dispatch.h"
#include "ikev2/ike_sa_init.h"
#include "shard/impl.h"

namespace culvert {

using wire::ExchangeType;
using wire::NotifyType;

void Shard::Impl::drop(const Datagram& datagram, Reason reason, std::string_view what,
                       std::uint32_t offset) {
  tell_of(datagram, trace::MessageDropped{datagram.remote, reason, offset, what});
}

void Shard::Impl::tell_of(const Datagram& datagram, trace::Body&& body) {
  trace::Event event;
  event.subject.local = datagram.local;
  event.subject.remote = datagram.remote;
  event.body = std::move(body);
  emit(std::move(event));
}

// RFC 7296, 2.5: a request of a higher major version is answered with the highest that we speak.
void Shard::Impl::refuse_version(const wire::Header& header, const Datagram& datagram) {
  drop(datagram, Reason::unsupported_version, "major version");
  constexpr std::uint8_t kResponseFlag = 0x20;
  if (header.major > 2 && !(header.raw_flags & kResponseFlag))
    ikev2::send_unprotected_notify(*this, header, datagram, NotifyType::invalid_major_version, {});
}

void Shard::Impl::receive(const Datagram& datagram, TimePoint now) {
  now_ = now;
  auto header = wire::decode_header(datagram.payload);
  if (!header) {
    const auto peeked = wire::peek_header(datagram.payload);
    if (peeked && header.error().reason == Reason::unsupported_version)
      return refuse_version(*peeked, datagram);
    return drop(datagram, header.error().reason, "IKE header", header.error().offset);
  }
  if (header->major != 2) return refuse_version(*header, datagram);
  if (header->exchange == ExchangeType::ike_sa_init && !header->response)
    return answer_first_message(*header, datagram, now);

  const auto at = by_spi_.find(header->initiator ? header->spi_r : header->spi_i);
  IkeSa* sa = at == by_spi_.end() ? nullptr : sas_.get(at->second);
  if (!sa) return drop(datagram, Reason::not_found, "no IKE SA has this SPI");
  const bool from_peer = header->initiator != sa->is_initiator();
  const std::uint64_t theirs = sa->is_initiator() ? header->spi_r : header->spi_i;
  const std::uint64_t expected = sa->is_initiator() ? sa->spi_r : sa->spi_i;
  // Before IKE_SA_INIT is answered, the responder's SPI is not known yet.
  if (!from_peer || (theirs != expected && !sa->in<ikev2::InitSent>()))
    return drop(datagram, Reason::not_found, "the peer's SPI is another one");
  const SaHandle handle = sa->self;
  ikev2::receive(*this, *sa, *header, datagram, now);
  settle(handle, now);
  settle_touched(now);
}

// A repeated IKE_SA_INIT request finds the answer that it already had (RFC 7296, 2.1).
bool Shard::Impl::repeat_first_response(const wire::Header& header, const Datagram& datagram) {
  const SaHandle handle = half_open_.find({header.spi_i, datagram.remote});
  if (!handle) return false;
  IkeSa* sa = sas_.get(handle);
  auto* half_open = sa ? sa->in<ikev2::HalfOpen>() : nullptr;
  if (!half_open || !equal(half_open->auth.init_request, datagram.payload)) {
    drop(datagram, Reason::no_match, "another IKE_SA_INIT with the SPI of a half-open IKE SA");
  } else if (half_open->responses >= limits::kMaxFirstResponses) {
    drop(datagram, Reason::exhausted, "IKE_SA_INIT answered too often");
  } else {
    ++half_open->responses;
    transmit({datagram.local, datagram.remote, half_open->auth.init_response});
  }
  return true;
}

// Cookies are asked for of everybody from the threshold on, until half of it is left, and of a
// source that has many half-open IKE SAs.
bool Shard::Impl::needs_cookie(const IpAddress& source) {
  const std::size_t threshold = std::min(options_.cookie_threshold, options_.max_half_open);
  const bool wanted = cookies_wanted_ ? half_open_.size() * 2 > threshold || threshold == 0
                                      : half_open_.size() >= threshold;
  if (wanted != cookies_wanted_ && threshold > 0) {
    trace::Event event;
    if (wanted)
      event.body = trace::CookiesBegin{half_open_.size()};
    else
      event.body = trace::CookiesEnd{half_open_.size()};
    emit(std::move(event));
  }
  cookies_wanted_ = wanted;
  return wanted || half_open_.size_of(source) >= options_.max_half_open_per_address;
}

bool Shard::Impl::has_shown_cookie(const wire::Header& header,
                                   std::span<const wire::Payload> payloads,
                                   const Datagram& datagram, TimePoint now) {
  const auto& nonce = *wire::find<wire::Nonce>(payloads, wire::PayloadType::nonce);
  const auto* cookie = wire::find_notify(payloads, NotifyType::cookie);
  if (cookie && cookies_.verify(cookie->data, nonce.data, datagram.remote, header.spi_i, now))
    return true;
  tell_of(datagram, trace::CookieDemanded{datagram.remote, half_open_.size()});
  wire::Header unanswered = header;
  unanswered.spi_r = 0;
  ikev2::send_unprotected_notify(*this, unanswered, datagram, NotifyType::cookie,
                                 cookies_.make(nonce.data, datagram.remote, header.spi_i, now));
  return false;
}

// The oldest half-open IKE SAs give way, of the source first that has more than its share: an
// honest peer needs its own for one round trip only.
void Shard::Impl::make_room(const IpAddress& source, TimePoint now) {
  const std::size_t share = options_.max_half_open_per_address * limits::kCookieShare;
  SaHandle oldest;
  if (half_open_.size_of(source) >= share)
    oldest = half_open_.oldest_of(source);
  else if (half_open_.size() >= options_.max_half_open)
    oldest = half_open_.oldest();
  IkeSa* sa = sas_.get(oldest);
  if (!sa) return;
  ikev2::emit(*this, *sa, trace::HalfOpenEvicted{sa->remote, half_open_.size()});
  ikev2::close(*sa, "overload");
  retire(oldest, now);
}

// Half-open limits: RFC 7296, 2.6. What has shown a cookie has a share that is large enough for a
// carrier's NAT with many users; a source whose attempts come to nothing is slowed down, not shut
// out, for the same reason.
bool Shard::Impl::admit(const wire::Header& header, std::span<const wire::Payload> payloads,
                        const Datagram& datagram, TimePoint now) {
  // Refused for its syntax in a moment, without state.
  if (!wire::find<wire::Nonce>(payloads, wire::PayloadType::nonce)) return true;
  const IpAddress source = source_of(datagram.remote.address);
  if (needs_cookie(source) && !has_shown_cookie(header, payloads, datagram, now)) return false;
  const std::uint32_t failures = failures_.failures_of(source, now);
  if (failures >= limits::kMaxFailures && !failures_.spend(source, now)) {
    tell_of(datagram, trace::SourceSlowed{datagram.remote, failures});
    return false;
  }
  make_room(source, now);
  return true;
}

// Bad syntax gets no answer, since anyone could have sent it; RFC 7296, 2.5 wants one to an unknown
// payload that is critical.
void Shard::Impl::refuse_first_message(const wire::Header& header, const Datagram& datagram,
                                       const Error& error) {
  drop(datagram, error.reason, "IKE_SA_INIT request", error.offset);
  if (error.reason != Reason::unsupported_critical) return;
  Bytes data;
  if (const auto type = wire::first_unknown_critical(
          header.next_payload, ByteView(datagram.payload).subspan(wire::kHeaderSize)))
    data.push_back(static_cast<std::uint8_t>(*type));
  ikev2::send_unprotected_notify(*this, header, datagram, NotifyType::unsupported_critical_payload,
                                 std::move(data));
}

void Shard::Impl::answer_first_message(const wire::Header& header, const Datagram& datagram,
                                       TimePoint now) {
  if (!header.initiator || header.message_id != 0 || header.spi_r != 0)
    return drop(datagram, Reason::bad_value, "IKE_SA_INIT request header");
  if (repeat_first_response(header, datagram)) return;
  if (shutting_down_) return drop(datagram, Reason::refused, "shutting down");
  auto message = wire::decode_message(datagram.payload);
  if (!message) return refuse_first_message(header, datagram, message.error());
  if (!admit(header, message->payloads, datagram, now)) return;

  IkeSa& sa = create();
  const SaHandle handle = sa.self;
  sa.role = ikev2::Role::responder;
  ikev2::receive_first(*this, sa, header, message->payloads, datagram, now);
  if (sa.closed()) {
    sas_.erase(handle);
    return;
  }
  by_spi_[sa.spi_r] = handle;
  index_half_open(sa);
  settle(handle, now);
}

}  // namespace culvert
