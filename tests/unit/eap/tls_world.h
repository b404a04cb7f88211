// What tests of the TLS methods need: a CA, a server and a client with certificates, users, and a
// conversation for each method and what is inside it.
#pragma once

#include "crypto/openssl_provider.h"
#include "eap/password_methods.h"
#include "eap/peap.h"
#include "eap/peer.h"
#include "eap/server.h"
#include "eap/ttls.h"
#include "tests/unit/crypto/tls_credentials.h"

namespace culvert::eap::testing {

using culvert::testing::issue;
using culvert::testing::kTestNow;
using culvert::testing::kTestYear;
using culvert::testing::TestCertificate;
using culvert::testing::trust;
using culvert::tls::Version;

inline constexpr std::chrono::sys_seconds kUserNow{std::chrono::seconds(kTestNow)};

// A method and what is inside it.
struct Flavour {
  const char* name;
  Type type;
  std::optional<TtlsPeer::Inner> ttls;
  std::optional<Type> inner;  // of EAP inside EAP-TTLS and PEAP
};
inline constexpr Flavour kEapTls{"tls", kTls, {}, {}};
inline constexpr Flavour kTtlsPap{"ttls_pap", kTtls, TtlsPeer::Inner::pap, {}};
inline constexpr Flavour kTtlsMschapv2{"ttls_mschapv2", kTtls, TtlsPeer::Inner::mschapv2, {}};
inline constexpr Flavour kTtlsEapMd5{"ttls_eap_md5", kTtls, TtlsPeer::Inner::eap, kMd5};
inline constexpr Flavour kTtlsEapMschapv2{"ttls_eap_mschapv2", kTtls, TtlsPeer::Inner::eap,
                                          kMschapv2};
inline constexpr Flavour kPeapMschapv2{"peap_mschapv2", kPeap, {}, kMschapv2};
inline constexpr Flavour kPeapMd5{"peap_md5", kPeap, {}, kMd5};
inline constexpr Flavour kPeapGtc{"peap_gtc", kPeap, {}, kGtc};
inline constexpr Flavour kFlavours[] = {kEapTls,          kTtlsPap,      kTtlsMschapv2, kTtlsEapMd5,
                                        kTtlsEapMschapv2, kPeapMschapv2, kPeapMd5,      kPeapGtc};
inline constexpr Flavour kInTunnel[] = {kTtlsPap,      kTtlsMschapv2, kTtlsEapMd5, kTtlsEapMschapv2,
                                        kPeapMschapv2, kPeapMd5,      kPeapGtc};

struct TlsWorld {
  TestCertificate root = issue({.name = "Test CA"}, nullptr);
  TestCertificate another_root = issue({.name = "Another CA"}, nullptr);
  TestCertificate server_certificate = issue({.name = "server"}, &root);
  TestCertificate client_certificate = issue({.name = "client"}, &root);
  std::unique_ptr<Provider> provider = make_openssl_provider();
  UserStore users;
  Password password = ClearPassword{SecretBytes(as_bytes("correct horse"))};

  // What a test may want otherwise.
  Version version = Version::v1_3;
  std::size_t fragment_size = limits::kEapTlsFragment;
  std::time_t server_clock = kTestNow, peer_clock = kTestNow;
  bool server_trusts_another = false, peer_trusts_another = false;
  bool peer_has_certificate = true;

  TlsWorld() { users.add({"alice", clone(password), true, std::nullopt, {}}); }

  std::shared_ptr<const tls::Context> context(const TestCertificate* certificate) const {
    tls::Settings settings{.max = version};
    if (certificate != nullptr) settings.credential = certificate->credential();
    return tls::Context::make(std::move(settings)).value();
  }

  std::unique_ptr<Method> server_method(const Flavour& flavour) {
    TlsEnd end{.context = context(&server_certificate), .fragment_size = fragment_size};
    const PasswordServer passwords{*provider, users, kUserNow};
    std::vector<Offer> inside;
    if (flavour.inner) inside.push_back(*offer_password_server(*flavour.inner, passwords));
    if (flavour.type == kTtls)
      return make_ttls_server(std::move(end), {.passwords = passwords, .methods = inside});
    if (flavour.type == kPeap) return make_peap_server(std::move(end), {*provider, inside});
    end.verify = trust(server_trusts_another ? another_root : root, server_clock);
    return make_tls_server(std::move(end));
  }

  std::unique_ptr<Method> peer_method(const Flavour& flavour) {
    const bool shows = flavour.type == kTls && peer_has_certificate;
    TlsEnd end{.context = context(shows ? &client_certificate : nullptr),
               .verify = trust(peer_trusts_another ? another_root : root, peer_clock),
               .fragment_size = fragment_size};
    std::vector<Offer> inside;
    if (flavour.inner)
      inside.push_back(*offer_password_peer(*flavour.inner, *provider, "alice", password));
    if (flavour.type == kTtls)
      return make_ttls_peer(std::move(end), {.provider = *provider,
                                             .inner = *flavour.ttls,
                                             .user = "alice",
                                             .password = clone(password),
                                             .methods = inside});
    if (flavour.type == kPeap) return make_peap_peer(std::move(end), {"alice", inside});
    return make_tls_peer(std::move(end));
  }

  Server server(const Flavour& flavour) {
    return Server(*provider, {.offers = {{flavour.type, [=, this](const std::string&) {
                                            return server_method(flavour);
                                          }}}});
  }
  Peer peer(const Flavour& flavour) {
    return Peer(
        {.offers = {{flavour.type, [=, this](const std::string&) { return peer_method(flavour); }}},
         .identity = "anonymous"});
  }
};

}  // namespace culvert::eap::testing
