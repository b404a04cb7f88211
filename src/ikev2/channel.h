// The message channel of an IKE SA: message IDs, protection, retransmission, repeated responses.
// RFC 7296, 2.1 to 2.3.
#pragma once

#include <span>

#include "ikev2/host.h"
#include "net/datagram.h"
#include "wire/v2/protected.h"

namespace culvert::ikev2 {

using Payloads = std::vector<wire::Payload>;

// A message that has passed the window, the integrity check and the decoder.
struct Inbound {
  const wire::Header& header;
  std::span<const wire::Payload> payloads;
  const Datagram& datagram;
  TimePoint now;
};

wire::ProtectionKeys outbound_keys(const IkeSa& sa);
wire::ProtectionKeys inbound_keys(const IkeSa& sa);

wire::Payload make_notify(wire::NotifyType type, Bytes data = {},
                          wire::ProtocolId protocol = wire::ProtocolId::none, Bytes spi = {});

// The next request of ours, protected once the SA has keys; it is repeated until its response
// comes or the retransmission policy gives up. Precondition: none is outstanding.
void send_request(Host& host, IkeSa& sa, wire::ExchangeType exchange,
                  std::span<const wire::Payload> payloads, TimePoint now);
// Answers request `message_id`, and keeps the answer for repetitions of the request.
void send_response(Host& host, IkeSa& sa, wire::ExchangeType exchange, std::uint32_t message_id,
                   std::span<const wire::Payload> payloads);
void repeat_response(Host& host, IkeSa& sa, std::uint32_t message_id);
// The peer at another address of its own: the port that a NAT gave it belongs to the one in use.
Endpoint endpoint_at(const Host& host, const IkeSa& sa, const IpAddress& remote);
// The outstanding request over another path, unchanged.
void probe(Host& host, IkeSa& sa, const Path& path);
// Sends the outstanding request again when that is due; false when the policy has given up.
bool retransmit_if_due(Host& host, IkeSa& sa, TimePoint now);

// Starts or ends NAT-keepalives, after the addresses or the NATs have changed.
void schedule_keepalive(Host& host, IkeSa& sa, TimePoint now);
void send_keepalive(Host& host, IkeSa& sa, TimePoint now);

// Events of the ladder, when the options ask for them.
void note_sent(Host& host, IkeSa& sa, const wire::Header& header,
               std::span<const wire::Payload> payloads, std::size_t size,
               std::size_t fragments = 0);
void note_received(Host& host, IkeSa& sa, const wire::Header& header,
                   std::span<const wire::Payload> payloads, std::size_t fragments = 0);

}  // namespace culvert::ikev2
