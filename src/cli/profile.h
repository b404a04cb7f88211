// What a device needs to know of a server, in the forms that devices read. Values in, text out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"

namespace culvert::cli {

// The user's own, for servers that ask for certificates.
struct ClientCertificate {
  Bytes der;
  SecretBytes key_pem;
  SecretBytes pkcs12;  // both and the CA's
  std::string pkcs12_password;
};

struct Profile {
  std::string server;  // a host name or an address; also the server's identity
  std::string user;
  std::vector<std::string> networks;             // behind the server
  Bytes ca;                                      // DER; empty: one of those that the device knows
  std::string ca_name;                           // its common name
  std::optional<ClientCertificate> certificate;  // none: the user has a password

  bool takes_everything() const;  // the server is the way to all of the Internet
  // Always the same for the same server and user, so that a new profile replaces the old one.
  std::string uuid(std::string_view part) const;
};

std::string apple_profile(const Profile& profile);    // .mobileconfig
std::string android_profile(const Profile& profile);  // .sswan, for strongSwan's app
std::string windows_profile(const Profile& profile);  // .ps1
// .nmconnection, for NetworkManager with strongSwan's plugin; which reads certificates and keys
// from files that the caller puts where `ca_file`, `certificate_file` and `key_file` say.
struct NetworkManagerFiles {
  std::string ca, certificate, key;
};
std::string network_manager_profile(const Profile& profile, const NetworkManagerFiles& files);
// For `culvert connect`. `key_file`: of the user's certificate, beside the profile.
std::string culvert_profile(const Profile& profile, const std::string& key_file);

}  // namespace culvert::cli
