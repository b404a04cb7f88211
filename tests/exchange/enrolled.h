// A CA and gateways with its certificates, whose signatures are made when a test says so.
#pragma once

#include <gtest/gtest.h>

#include <map>

#include "pki/issuing.h"
#include "tests/exchange/pair.h"

namespace culvert::exchange_test {

inline const std::chrono::sys_seconds kToday =
    std::chrono::sys_days(std::chrono::year(2026) / 11 / 23);

struct Certified {
  PrivateKey key;
  Bytes name;
  pki::CertificateRef certificate;
  CertificateData data() const { return {std::make_shared<const Bytes>(certificate->der)}; }
};

// Where a certificate says that news about its revocation is to be had.
struct Sources {
  std::vector<std::string> crls, ocsp;
};

// A CA and the gateways that it vouches for. They sign when sign() is called.
class Enrolled {
 public:
  Enrolled() {
    for (Gateway* gateway : {&pair.a, &pair.b}) gateway->shard->command(SetDate{kToday}, pair.now);
  }

  Certified issue(const std::string& name, const Certified* issuer,
                  std::chrono::days validity = std::chrono::days(1), const Sources& sources = {}) {
    auto key = PrivateKey::generate(KeyKind::ecdsa_p256);
    auto known = provider_->load_public_key(key->spki());
    const Bytes subject = parse_identity("O=Culvert, CN=" + name)->data;
    pki::CertificateContents contents;
    contents.serial = Bytes{++serial_};
    contents.subject = subject;
    contents.public_key = key->spki();
    contents.key_id = to_bytes((*known)->key_id());
    contents.not_before = kToday - std::chrono::days(10);
    contents.not_after = kToday + validity;
    contents.ca = !issuer;
    if (issuer) contents.subject_alt_names = {*pki::general_name(*parse_identity(name))};
    contents.crl_uris = sources.crls;
    contents.ocsp_uris = sources.ocsp;
    const PrivateKey& signer = issuer ? issuer->key : *key;
    auto der = pki::issue_certificate(
        contents, {issuer ? issuer->name : subject,
                   issuer ? to_bytes(issuer->certificate->key->key_id()) : contents.key_id,
                   signer,
                   {SignatureKind::ecdsa, Hash::sha2_256, 0}});
    EXPECT_TRUE(der);
    auto certificate = pki::parse_certificate(*provider_, *der);
    EXPECT_TRUE(certificate);
    return {std::move(*key), subject, *certificate};
  }

  void enroll(Gateway& gateway, const Certified& own, const Certified& trusted) {
    gateway.shard->command(LoadCertificate{trusted.certificate, true}, pair.now);
    gateway.shard->command(LoadCertificate{own.certificate, false}, pair.now);
    gateway.shard->command(LoadKey{own.certificate->key}, pair.now);
    keys_[own.certificate->key->key_id()] = &own.key;
  }

  ConnectionConfig connection(bool first) {
    ConnectionConfig config = site(first);
    config.local.kind = config.remote.kind = AuthKind::pubkey;
    config.local.id = *parse_identity(first ? "moon.example" : "sun.example");
    config.remote.id = *parse_identity(first ? "sun.example" : "moon.example");
    return config;
  }
  void load() {
    pair.a.load(connection(true), pair.now);
    pair.b.load(connection(false), pair.now);
  }

  // Makes what signatures are wanted, and what comes of it.
  void sign() {
    for (int rounds = 0; rounds < 4; ++rounds)
      for (Gateway* gateway : {&pair.a, &pair.b}) {
        for (MakeSignature& wanted : std::exchange(gateway->to_sign, {})) {
          if (forge) wanted.octets.back() ^= 1;
          auto made = keys_.at(wanted.key)->sign(wanted.scheme, {wanted.octets});
          EXPECT_TRUE(made);
          gateway->shard->complete(wanted.job, MadeSignature{std::move(*made), {}}, pair.now);
        }
        pair.run();
      }
  }

  bool is_up() const {
    return pair.a.sad.size() == 2 && pair.b.sad.size() == 2 && sads_agree(pair);
  }
  static std::size_t count(const Gateway& gateway, std::string_view name) {
    return static_cast<std::size_t>(std::ranges::count_if(
        gateway.events,
        [&](const trace::Event& event) { return trace::info_of(event).name == name; }));
  }

  Pair pair;
  bool forge = false;

 private:
  std::unique_ptr<Provider> provider_ = make_openssl_provider();
  std::map<KeyId, const PrivateKey*> keys_;
  std::uint8_t serial_ = 0;
};

}  // namespace culvert::exchange_test
