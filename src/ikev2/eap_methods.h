// Which EAP methods a side of a connection can run, with the users, certificates and CAs that they
// need.
#pragma once

#include <expected>

#include "ikev2/host.h"

namespace culvert::ikev2 {

// In the connection's order. Fails when none is left, and says what the first one lacks. The key
// that signs in TLS becomes exchange.eap_key. Offers are used as long as the SA lives.
std::expected<std::vector<eap::Offer>, trace::Body> eap_server_offers(Host& host, const IkeSa& sa,
                                                                      AuthExchange& exchange,
                                                                      TimePoint now);
std::expected<std::vector<eap::Offer>, trace::Body> eap_client_offers(Host& host, const IkeSa& sa,
                                                                      AuthExchange& exchange,
                                                                      TimePoint now);

}  // namespace culvert::ikev2
