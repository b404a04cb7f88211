// NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP: RFC 7296, 2.23.
#pragma once

#include <array>
#include <span>

#include "crypto/provider.h"
#include "ikev2/channel.h"

namespace culvert::ikev2 {

struct NatDetection {
  bool announced = false;  // the peer does NAT traversal
  bool local_behind_nat = false;
  bool remote_behind_nat = false;
};

// The two notifications for a message from `local` to `remote`. With sa.nat_fake the source hash is
// random, so that the peer sees a NAT and both sides encapsulate in UDP.
void add_nat_detection(Host& host, const IkeSa& sa, const Endpoint& local, const Endpoint& remote,
                       Payloads& payloads);
// The SA is as the peer's notifications say from now on.
void apply_nat_detection(Host& host, IkeSa& sa, const NatDetection& nat);

// What the peer's notifications say of the path that the message took.
NatDetection detect_nat(Host& host, const wire::Header& header, const Datagram& datagram,
                        std::span<const wire::Payload> payloads);

}  // namespace culvert::ikev2
