// What the daemon knows by certificates and private keys: parsed here, told to the shard; private
// keys go to the signing process.
#include <unordered_set>

#include "daemon/daemon.h"
#include "daemon/key_files.h"

namespace culvert {

std::expected<pki::CertificateRef, std::string> Daemon::parse_certificate(ByteView der) {
  auto parsed = pki::parse_certificate(*provider_, der);
  if (!parsed) return std::unexpected("parsing the certificate failed: it is no X.509 in DER");
  return std::move(*parsed);
}

std::expected<void, std::string> Daemon::load_crl(ByteView file) {
  auto parsed = pki::parse_crl(*provider_, file);
  if (!parsed) return std::unexpected("parsing the CRL failed");
  execute(LoadCrl{std::move(*parsed)}, {});
  return {};
}

std::expected<KeyId, std::string> Daemon::load_key(ByteView file) {
  const auto spki = signer_.load(file, {});
  if (!spki) return std::unexpected(spki.error());
  auto key = provider_->load_public_key(*spki);
  if (!key) return std::unexpected("is of a kind that Culvert does not verify");
  const KeyId id = (*key)->key_id();
  execute(LoadKey{std::move(*key)}, {});
  return id;
}

// Keys first: they are what can fail.
std::expected<void, std::string> Daemon::load_credentials(const config::Loaded& loaded) {
  auto keys = load_key_files(signer_, *provider_, loaded.keys);
  if (!keys) return std::unexpected(std::move(keys.error()));
  for (PublicKeyRef& key : *keys) execute(LoadKey{std::move(key)}, {});
  const auto add = [this](const std::vector<CertificateData>& certificates, bool is_ca) {
    for (const CertificateData& one : certificates)
      if (auto parsed = parse_certificate(one.view()))
        execute(LoadCertificate{std::move(*parsed), is_ca}, {});
  };
  for (const ConnectionRef& connection : loaded.connections) {
    add(connection->local.certs, false);
    add(connection->remote.certs, false);
    add(connection->remote.cacerts, true);
  }
  return {};
}

void Daemon::load_users(const config::Loaded& loaded) {
  std::unordered_set<std::string_view> known;
  for (const eap::User& user : loaded.users) known.insert(user.name);
  for (const eap::User& user : loaded_.users)
    if (!known.contains(user.name)) execute(UnloadUser{user.name}, {});
  for (const eap::User& user : loaded.users)
    execute(
        LoadUser{{user.name, eap::clone(user.password), user.enabled, user.expires, user.group}},
        {});
  load_subscribers(loaded);
}

// What the state directory has of a subscriber goes before what the file says.
void Daemon::load_subscribers(const config::Loaded& loaded) {
  for (const eap::Subscriber& known : loaded_.subscribers)
    if (std::ranges::find(loaded.subscribers, known.identity, &eap::Subscriber::identity) ==
        loaded.subscribers.end())
      execute(UnloadSubscriber{known.identity}, {});
  for (const eap::Subscriber& subscriber : loaded.subscribers) {
    eap::Subscriber copy = eap::clone(subscriber);
    copy.sqn = std::max(copy.sqn, sequence_numbers_.of(copy.identity));
    execute(LoadSubscriber{std::move(copy)}, {});
  }
}

void Daemon::forget_key(const KeyId& key) {
  signer_.forget(key);
  execute(UnloadKey{key}, {});
}

void Daemon::clear_certificates() {
  execute(ClearCertificates{}, {});
  if (const auto loaded = load_credentials(loaded_); !loaded)
    log_.write(trace::Level::error, loaded.error());
}

}  // namespace culvert
