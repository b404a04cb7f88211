#include "config/public_key.h"

#include <fmt/format.h>

#include "config/authentication.h"
#include "config/file.h"
#include "crypto/signature.h"
#include "pki/certificate_file.h"

namespace culvert::config {
namespace {

void append_keys(TableReader& table, std::string_view key, std::vector<CertificateData>& to) {
  for (const LocatedText& name : table.texts(key)) {
    Report& report = table.report();
    const auto file = read_file(beside(report.file(), name.value), limits::kMaxPemSize);
    if (!file) {
      report.error(name.at, file.error());
      continue;
    }
    const auto keys = pki::public_keys_in(file->octets.view());
    for (const Bytes& spki : keys.value_or(std::vector<Bytes>{Bytes{}}))
      if (parse_public_key(spki))
        to.push_back({std::make_shared<const Bytes>(spki)});
      else
        report.error(name.at,
                     fmt::format("{} is not a file of public keys that Culvert verifies, PEM or "
                                 "DER",
                                 in_quotes(name.value)),
                     "make it by 'culvert pki pub'");
  }
}

}  // namespace

void read_public_keys(TableReader& table, Tunnel& tunnel) {
  AuthConfig& local = tunnel.config.local;
  AuthConfig& remote = tunnel.config.remote;
  if (table.any("public_key")) {
    local.kind = AuthKind::pubkey;
    append_keys(table, "public_key", local.pubkeys);
    read_private_key(table, "public_key", tunnel);
  }
  if (table.any("peer_public_key")) {
    remote.kind = AuthKind::pubkey;
    append_keys(table, "peer_public_key", remote.pubkeys);
  }
}

}  // namespace culvert::config
