// A [radius] or [radius.NAME] table: servers that know users.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "base/time.h"
#include "net/address.h"
#include "policy/connection.h"

namespace culvert::config {

struct RadiusServer {
  Endpoint authentication, accounting;
  bool operator==(const RadiusServer&) const = default;
};
// Who may end or change sessions (RFC 5176), and where it asks.
struct DynamicAuthorization {
  Endpoint listen;
  std::vector<IpAddress> clients;
  bool operator==(const DynamicAuthorization&) const = default;
};
// RADIUS over TLS (RFC 6614).
struct RadiusTls {
  std::vector<CertificateData> cert, ca;
  std::string key;          // path of the file with our private key
  std::string server_name;  // that the server's certificate has to certify; empty: its address
  bool operator==(const RadiusTls&) const = default;
};
struct RadiusService {
  std::string name;  // empty: of [radius]
  std::vector<RadiusServer> servers;
  SecretBytes secret;
  Duration timeout = std::chrono::seconds(1);  // of the first of `tries`
  unsigned tries = 3;
  Duration dead_time = std::chrono::seconds(60);
  std::string nas_identifier = "Culvert";
  bool accounting = false;
  std::chrono::seconds interim{};  // where the server does not say; zero: no interim records
  std::optional<DynamicAuthorization> dynamic;
  std::optional<RadiusTls> tls;

  // "[radius.office]"
  std::string table() const { return name.empty() ? "[radius]" : "[radius." + name + "]"; }
  bool operator==(const RadiusService& other) const;
};

}  // namespace culvert::config
