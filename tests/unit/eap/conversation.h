// A server and a peer of EAP that talk to each other, and what they say.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "crypto/openssl_provider.h"
#include "eap/peer.h"
#include "eap/server.h"

namespace culvert::eap::testing {

struct Ends {
  Step server, peer;  // the last step of each
  std::size_t packets = 0;
  std::vector<Bytes> from_server, from_peer;
};

// Lets the two talk until one of them is done, or has nothing to say. `tamper` may change a packet
// on its way: it is told who sent it.
inline Ends converse(Server& server, Peer& peer,
                     const std::function<void(Bytes&, bool from_server)>& tamper = {}) {
  Ends ends;
  ends.server = server.begin();
  while (ends.packets < 1'000) {
    Bytes packet = ends.server.packet;
    ends.from_server.push_back(packet);
    if (tamper) tamper(packet, true);
    ++ends.packets;
    ends.peer = peer.receive(packet);
    if (ends.peer.kind != Step::Kind::send || ends.server.kind == Step::Kind::failed ||
        ends.server.kind == Step::Kind::succeeded)
      break;
    packet = ends.peer.packet;
    ends.from_peer.push_back(packet);
    if (tamper) tamper(packet, false);
    ++ends.packets;
    ends.server = server.receive(packet);
    if (ends.server.kind == Step::Kind::discard) break;
  }
  return ends;
}

inline bool succeeded(const Ends& ends) {
  return ends.server.kind == Step::Kind::succeeded && ends.peer.kind == Step::Kind::succeeded;
}

inline std::optional<Failure> why(const Step& step) {
  return step.refusal ? std::optional(step.refusal->why) : std::nullopt;
}

inline Bytes unhex(std::string_view text) {
  Bytes octets;
  std::string digits;
  for (const char c : text) {
    if (c == ' ') continue;
    digits += c;
    if (digits.size() < 2) continue;
    octets.push_back(static_cast<std::uint8_t>(std::stoi(digits, nullptr, 16)));
    digits.clear();
  }
  return octets;
}

inline Bytes request(std::uint8_t identifier, Type type, std::string_view data = {}) {
  return encode({Code::request, identifier, false, type, {}, {}}, as_bytes(data));
}
inline Bytes response(std::uint8_t identifier, Type type, std::string_view data = {}) {
  return encode({Code::response, identifier, false, type, {}, {}}, as_bytes(data));
}

}  // namespace culvert::eap::testing
