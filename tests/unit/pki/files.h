// The certificates that tests/vectors/pki/make_certificates.py made.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <stdexcept>

#include "crypto/openssl_provider.h"
#include "pki/path.h"

namespace culvert::pki::testing {

inline Bytes file(const std::string& name) {
  std::ifstream in(std::string(CULVERT_VECTORS) + "/pki/certificates/" + name, std::ios::binary);
  if (!in) throw std::runtime_error("missing " + name);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline std::chrono::sys_seconds day(int year, unsigned month = 6, unsigned day_of_month = 1) {
  using namespace std::chrono;
  return sys_days(year_month_day{std::chrono::year(year), std::chrono::month(month),
                                 std::chrono::day(day_of_month)});
}
inline const std::chrono::sys_seconds kNow = day(2030);

class PkiTest : public ::testing::Test {
 protected:
  CertificateRef load(const std::string& name) {
    const auto certificates = read_certificates(*provider_, file(name + ".pem"));
    if (!certificates) throw std::runtime_error("malformed " + name);
    return certificates->front();
  }
  CrlRef load_crl(const std::string& name) {
    const auto crl = parse_crl(*provider_, file(name + ".crl"));
    if (!crl) throw std::runtime_error("malformed " + name);
    return *crl;
  }
  OcspResponseRef load_ocsp(const std::string& name) {
    const auto response = parse_ocsp_response(*provider_, file("ocsp-" + name + ".der"));
    if (!response) throw std::runtime_error("malformed " + name);
    return *response;
  }

  std::unique_ptr<Provider> provider_ = make_openssl_provider();
};

}  // namespace culvert::pki::testing
