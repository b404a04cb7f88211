// Invariant: each side of a tunnel ends up with one way to prove itself, and what that needs is
// there; what it does not need is an error and not ignored.
#include "config/authentication.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/child.h"
#include "config/file.h"
#include "config/public_key.h"
#include "config/radius.h"
#include "config/secret_text.h"
#include "crypto/openssl_provider.h"
#include "eap/packet.h"
#include "pki/certificate_file.h"
#include "pki/identity_match.h"

namespace culvert::config {
namespace {

constexpr auto kRevocationWords =
    std::to_array<Words<Revocation>>({{"relaxed", Revocation::relaxed},
                                      {"if-uri", Revocation::if_uri},
                                      {"strict", Revocation::strict}});
constexpr eap::Type kMethods[] = {eap::kTls, eap::kTtls, eap::kPeap, eap::kMschapv2, eap::kMd5,
                                  eap::kGtc, eap::kSim,  eap::kAka,  eap::kAkaPrime};

Identity read_identity(TableReader& table, std::string_view key) {
  const auto text = table.text(key);
  if (!text) return {};
  if (auto identity = parse_identity(text->value)) return std::move(*identity);
  table.report().error(
      text->at, fmt::format("{}: {} is not an identity", table.place(key), in_quotes(text->value)),
      "write an address, a host name, \"user@host\", \"keyid:text\" or \"@#hex\"");
  return {};
}

// ---- pre-shared keys ----

void read_psk(TableReader& table, const TunnelContext& context, Tunnel& tunnel) {
  const Member* member = table.any("psk");
  if (!member)
    return context.report.error(
        table.at(), fmt::format("{} has no 'psk'", table.name()),
        "add psk = { file = \"…\" }, or 'cert', 'key' and 'ca' for certificates");
  tunnel.psk_at = member->value.at;
  tunnel.psk = read_secret(table, *member, "pre-shared key", context);
}

// ---- certificates ----

void append_certificates(TableReader& table, std::string_view key,
                         std::vector<CertificateData>& to) {
  for (const auto& name : table.texts(key))
    std::ranges::move(read_certificates(name, table.report()), std::back_inserter(to));
}

// What the certificate says of us: its first alternative name, else its subject.
Identity identity_in(const CertificateData& certificate) {
  const auto provider = make_openssl_provider();
  const auto parsed = pki::parse_certificate(*provider, certificate.view());
  const auto identities = parsed ? pki::identities_of(**parsed) : std::vector<Identity>{};
  if (identities.empty()) return {};
  const bool has_subject = identities.front().type == wire::IdType::der_asn1_dn;
  return identities[has_subject && identities.size() > 1 ? 1 : 0];
}

void read_own_certificate(TableReader& table, Tunnel& tunnel) {
  AuthConfig& local = tunnel.config.local;
  local.kind = AuthKind::pubkey;
  append_certificates(table, "cert", local.certs);
  read_private_key(table, "cert", tunnel);
  if (local.id.is_any() && !local.certs.empty()) local.id = identity_in(local.certs.front());
}

// A CA vouches for the peer; its name is then the one that we call it by.
void read_peer_certificate(TableReader& table, ConnectionConfig& config) {
  AuthConfig& remote = config.remote;
  remote.kind = AuthKind::pubkey;
  append_certificates(table, "ca", remote.cacerts);
  append_certificates(table, "peer_cert", remote.certs);
  remote.revocation =
      table.choice<Revocation>("revocation", kRevocationWords).value_or(Revocation::relaxed);
  const bool called_by_name = config.remote_addrs.size() == 1 &&
                              config.remote_addrs.front().kind == AddressPattern::Kind::host_name;
  if (remote.id.is_any() && called_by_name && !table.any("remote_id"))
    remote.id = parse_identity(config.remote_addrs.front().host_name).value_or(Identity{});
}

// ---- EAP ----

// Whether RADIUS servers decide; about the methods too.
bool read_radius_user(TableReader& table, AuthConfig& remote) {
  const auto names = table.texts("eap");
  for (const auto& name : names) {
    auto service = radius_service(name.value);
    if (!service) continue;
    if (names.size() > 1)
      table.report().error(name.at,
                           fmt::format("{}: RADIUS decides about the methods", table.place("eap")),
                           "leave out the other ones");
    remote.aaa = std::move(service);
    return true;
  }
  return false;
}

std::vector<std::string> read_eap_methods(TableReader& table) {
  std::vector<std::string> methods;
  for (const auto& name : table.texts("eap")) {
    const auto type = eap::parse_type(name.value);
    if (!type || std::ranges::find(kMethods, *type) == std::end(kMethods))
      table.report().error(name.at,
                           fmt::format("{}: {} is no EAP method of Culvert", table.place("eap"),
                                       in_quotes(name.value)),
                           "write \"tls\", \"ttls\", \"peap\", \"mschapv2\", \"md5\", \"gtc\", "
                           "\"sim\", \"aka\", \"aka-prime\" or \"radius\"");
    else
      methods.push_back(name.value);
  }
  return methods;
}

void read_eap_server(TableReader& table, ConnectionConfig& config) {
  AuthConfig& remote = config.remote;
  remote.kind = AuthKind::eap;
  remote.eap_id = Identity{};  // asked for
  if (!read_radius_user(table, remote)) remote.eap_methods = read_eap_methods(table);
  const bool by_certificate =
      std::ranges::find(remote.eap_methods, "tls") != remote.eap_methods.end();
  if (!by_certificate && table.any("ca"))
    table.report().error(table.any("ca")->value.at,
                         table.place("ca") + ": users who log in by EAP show no certificate",
                         "leave it out, or add \"tls\" to 'eap'");
}

void read_eap_user(TableReader& table, ConnectionConfig& config) {
  AuthConfig& local = config.local;
  local.kind = AuthKind::eap;
  local.eap_methods = read_eap_methods(table);
  if (const Identity aaa = read_identity(table, "aaa_id"); !aaa.is_any()) local.aaa_id = aaa;
  const auto user = table.text("eap_user");
  if (!user) return;
  local.eap_id = Identity{wire::IdType::key_id, to_bytes(as_bytes(user->value))};
  if (local.id.is_any()) local.id = parse_identity(user->value).value_or(*local.eap_id);
}

// ---- identities ----

void read_identities(TableReader& table, ConnectionConfig& config) {
  config.local.id = read_identity(table, "local_id");
  config.remote.id = read_identity(table, "remote_id");
  if (!config.local.id.is_any() && is_pattern(config.local.id))
    table.report().error(table.any("local_id")->value.at,
                         table.place("local_id") + ": our own identity can't have wildcards");
}

// RFC 5998: no signature or key of the responder, EAP proves it as well.
void read_eap_only(TableReader& table, ConnectionConfig& config) {
  const bool client = config.local.kind == AuthKind::eap;
  if (!table.boolean("eap_only").value_or(false)) return;
  if (!client && config.remote.kind != AuthKind::eap)
    return table.report().error(table.any("eap_only")->value.at,
                                table.place("eap_only") + ": nobody logs in by EAP here",
                                "add 'eap' or 'eap_user'");
  config.local.kind = config.remote.kind = AuthKind::eap;
}

void refuse_both(TableReader& table, std::string_view one, std::string_view other) {
  if (table.any(one) && table.any(other))
    table.report().error(
        table.any(other)->value.at,
        fmt::format("{}: '{}' and '{}' are two ways to do the same", table.name(), one, other),
        "leave out one of them");
}

}  // namespace

void read_authentication(TableReader& table, const TunnelContext& context, Tunnel& tunnel) {
  ConnectionConfig& config = tunnel.config;
  read_identities(table, config);
  const bool client = table.any("eap_user") != nullptr;
  if (!client) refuse_both(table, "peer_cert", "eap");
  refuse_both(table, "public_key", "cert");
  refuse_both(table, "public_key", "eap_user");
  for (const char* other : {"ca", "peer_cert"}) refuse_both(table, "peer_public_key", other);
  if (!client) refuse_both(table, "peer_public_key", "eap");
  if (table.any("cert")) read_own_certificate(table, tunnel);
  if (client) read_eap_user(table, config);
  if (table.any("ca") || table.any("peer_cert")) read_peer_certificate(table, config);
  if (table.any("eap") && !client) read_eap_server(table, config);
  for (auto& group : table.texts("groups")) config.remote.groups.push_back(std::move(group.value));
  read_public_keys(table, tunnel);
  read_eap_only(table, config);
  const bool needs_psk = config.local.kind == AuthKind::psk || config.remote.kind == AuthKind::psk;
  if (needs_psk) return read_psk(table, context, tunnel);
  if (const Member* psk = table.any("psk"))
    table.report().error(psk->value.at, table.place("psk") + ": neither side uses it",
                         "leave it out");
}

}  // namespace culvert::config
