// A private key that the configuration names. The process that signs reads it, and its password,
// and nobody else.
#pragma once

#include <string>
#include <vector>

#include "policy/connection.h"

namespace culvert::config {

struct KeyFile {
  std::string path, password_path;            // no password_path: it is not encrypted
  std::vector<CertificateData> certificates;  // it belongs to one of these,
  std::vector<CertificateData> public_keys;   // or to one of these
  std::string place;                          // in the file: "culvert.toml:4:8"
};

}  // namespace culvert::config
