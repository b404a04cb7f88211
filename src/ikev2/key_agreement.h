// Nonces and key exchanges, as IKE_SA_INIT and CREATE_CHILD_SA share them: RFC 7296, 2.10, 2.12.
#pragma once

#include <expected>

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// 32 octets: at least half the key size of every PRF (RFC 7296, 2.10).
Bytes new_nonce(Host& host);
// The smaller of the two, octet by octet (RFC 7296, 2.8.1).
ByteView lower_nonce(ByteView a, ByteView b);
bool is_lower(ByteView a, ByteView b);

wire::Payload ke_payload(const KeyExchange& ke);
const wire::KeyExchangePayload* find_ke(std::span<const wire::Payload> payloads);

// As initiator: the method that an INVALID_KE_PAYLOAD answer wants, if it is another one than
// `sent` and one of `proposals`.
std::optional<Ke> other_method(std::span<const wire::Payload> payloads, Ke sent,
                               const std::vector<Proposal>& proposals);
// The data of INVALID_KE_PAYLOAD.
Bytes method_octets(Ke method);

// As responder: our half, and the shared secret. Fails with the notification that answers: the
// payload is missing or of another method (INVALID_KE_PAYLOAD), or its value is bad.
struct KeHalf {
  std::unique_ptr<KeyExchange> ke;
  SecretBytes secret;
};
struct KeFailure {
  wire::NotifyType notify{};
  Bytes data;
  trace::Body why;
};
std::expected<KeHalf, KeFailure> answer_ke(Host& host, Ke chosen,
                                           const wire::KeyExchangePayload* theirs);
// As initiator: the secret from the responder's payload; nullopt when that contradicts `chosen`.
std::optional<SecretBytes> complete_ke(KeyExchange* ours, Ke chosen,
                                       const wire::KeyExchangePayload* theirs);

}  // namespace culvert::ikev2
