// EAP-SIM (RFC 4186), EAP-AKA (RFC 4187) and EAP-AKA' (RFC 9048): full authentication, without
// pseudonyms and fast re-authentication.
#pragma once

#include <memory>
#include <string>

#include "crypto/provider.h"
#include "eap/method.h"
#include "eap/sim_credentials.h"

namespace culvert::eap {

// All references outlive the conversation.
struct SimServer {
  Provider& provider;
  AuthenticationCentre& centre;
  std::string network_name = "WLAN";  // AKA': 3GPP TS 24.302, 8.1.1
  bool offers_aka_prime = false;      // AKA then says so, against bidding down (RFC 9048, 4)
};
struct SimPeer {
  Provider& provider;
  SimCard& card;
  bool accepts_aka_prime = false;  // AKA then refuses a server that could do AKA'
};

// `type` is one of kSim, kAka, kAkaPrime; nullopt for any other. Identity of the peer: its
// permanent one, as 3GPP writes it ("1" IMSI "@" realm for SIM, "0" for AKA, "6" for AKA').
std::optional<Offer> offer_sim_server(Type type, const SimServer& server);
std::optional<Offer> offer_sim_peer(Type type, const SimPeer& peer);

}  // namespace culvert::eap
