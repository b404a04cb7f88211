// Certificates of the simulated world: real in form, signed by toy_signature().
#pragma once

#include "pki/certificate.h"
#include "policy/identity.h"
#include "sim/random.h"

namespace culvert::sim {

// When the world begins, by everybody's clock.
inline constexpr std::chrono::sys_seconds kFirstDay =
    std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);

class Authority {
 public:
  explicit Authority(Random random);
  const pki::CertificateRef& certificate() const { return certificate_; }
  // Of a key of its own, for whoever this is.
  pki::CertificateRef issue(const Identity& identity);

 private:
  pki::CertificateRef make(const std::string& name, const Identity* identity);

  Random random_;
  pki::CertificateRef certificate_;
};

}  // namespace culvert::sim
