// Values that stand in files of their own: secrets and certificates.
#pragma once

#include "config/tunnel.h"

namespace culvert::config {

// A string, or { file = "…" }. `what` as diagnostics call it: "pre-shared key". Empty after a
// report.
SecretBytes read_secret(TableReader& table, const Member& member, std::string_view what,
                        const TunnelContext& context);
// The certificates of a file, or of PEM in place of its name, in order; empty after a report.
std::vector<CertificateData> read_certificates(const LocatedText& name, Report& report);

}  // namespace culvert::config
