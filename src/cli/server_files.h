// The files of a server of remote users: CA, certificate, users, configuration.
// Invariant: each file appears whole or not at all, what is needed for another one comes before it,
// and the configuration comes last; so the same command goes on where it was interrupted.
#pragma once

#include <string>
#include <vector>

#include "cli/pki_files.h"
#include "policy/identity.h"

namespace culvert::cli {

struct ServerPlan {
  std::string folder, name;
  Identity identity;                           // what `name` is in the certificate
  std::vector<std::string> pools, dns, local;  // checked
  bool certificates = false;                   // users have certificates and not passwords
  bool nat = true;
  bool force = false;  // a configuration that says something else is kept under another name
  bool renew = false;  // the server's certificate is made anew
};

struct MadeFile {
  std::string path, what;
  bool is_new = true;
};
Outcome<std::vector<MadeFile>> make_server_files(const ServerPlan& plan);

// What the configuration says: eight lines at most.
std::string server_toml(const ServerPlan& plan);

}  // namespace culvert::cli
