// [sim.NAME]: subscribers of EAP-SIM, EAP-AKA and EAP-AKA', who log in here or who we are
// elsewhere.
#pragma once

#include "config/tunnel.h"
#include "eap/sim_credentials.h"

namespace culvert::config {

// NAME is the IMSI, or the permanent identity. k with opc or op, sqn; or triplets.
std::vector<eap::Subscriber> read_subscribers(const Member& member, const TunnelContext& context);

}  // namespace culvert::config
