#include "ikev2/key_agreement.h"

#include <algorithm>

namespace culvert::ikev2 {

using wire::NotifyType;
using wire::PayloadType;

Bytes new_nonce(Host& host) {
  Bytes nonce(32);
  host.provider().random(nonce);
  return nonce;
}

bool is_lower(ByteView a, ByteView b) { return std::ranges::lexicographical_compare(a, b); }
ByteView lower_nonce(ByteView a, ByteView b) { return is_lower(b, a) ? b : a; }

wire::Payload ke_payload(const KeyExchange& ke) {
  return {PayloadType::ke, wire::KeyExchangePayload{static_cast<std::uint16_t>(ke.method()),
                                                    to_bytes(ke.public_value())}};
}

const wire::KeyExchangePayload* find_ke(std::span<const wire::Payload> payloads) {
  return wire::find<wire::KeyExchangePayload>(payloads, PayloadType::ke);
}

std::optional<Ke> other_method(std::span<const wire::Payload> payloads, Ke sent,
                               const std::vector<Proposal>& proposals) {
  const auto* notify = wire::find_notify(payloads, NotifyType::invalid_ke_payload);
  if (!notify || notify->data.size() != 2) return std::nullopt;
  const Ke wanted{load_be<std::uint16_t>(notify->data.data())};
  if (wanted == sent) return std::nullopt;
  for (const Proposal& proposal : proposals)
    if (std::ranges::find(proposal.ke, wanted) != proposal.ke.end()) return wanted;
  return std::nullopt;
}

Bytes method_octets(Ke method) {
  Bytes octets(2);
  store_be(octets.data(), static_cast<std::uint16_t>(method));
  return octets;
}

std::expected<KeHalf, KeFailure> answer_ke(Host& host, Ke chosen,
                                           const wire::KeyExchangePayload* theirs) {
  if (!theirs || Ke{theirs->method} != chosen)
    return std::unexpected(
        KeFailure{NotifyType::invalid_ke_payload, method_octets(chosen),
                  trace::OtherMethodWanted{vici_name(chosen),
                                           theirs ? vici_name(Ke{theirs->method}) : "none"}});
  auto ke = host.provider().generate(chosen);
  if (!ke)
    return std::unexpected(KeFailure{NotifyType::no_proposal_chosen,
                                     {},
                                     trace::InternalError{"key exchange", ke.error().reason}});
  auto secret = (*ke)->derive(theirs->data);
  // RFC 6989, 2: a bad public value is answered as a syntax error.
  if (!secret)
    return std::unexpected(
        KeFailure{NotifyType::invalid_syntax, {}, trace::BadPublicValue{chosen}});
  return KeHalf{std::move(*ke), std::move(*secret)};
}

std::optional<SecretBytes> complete_ke(KeyExchange* ours, Ke chosen,
                                       const wire::KeyExchangePayload* theirs) {
  if (!ours || !theirs || ours->method() != chosen || Ke{theirs->method} != chosen)
    return std::nullopt;
  auto secret = ours->derive(theirs->data);
  if (!secret) return std::nullopt;
  return std::move(*secret);
}

}  // namespace culvert::ikev2
