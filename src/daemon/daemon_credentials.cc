// What the daemon knows by certificates and private keys: parsed here, told to the shard; private
// keys go to the signing process.
// Invariant: what the file names and what vici clients have given are known apart from each other;
// either goes without the other.
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
  given_.crls.push_back(*parsed);
  execute(LoadCrl{std::move(*parsed)}, {});
  return {};
}

void Daemon::load_certificate(LoadCertificate certificate) {
  LoadCertificate& known = given_.certificates[certificate.certificate->fingerprint];
  known = {certificate.certificate, known.is_ca || certificate.is_ca};
  execute(std::move(certificate), {});
}

std::expected<KeyId, std::string> Daemon::load_key(ByteView file) {
  const auto spki = signer_.load(file, {});
  if (!spki) return std::unexpected(spki.error());
  auto key = provider_->load_public_key(*spki);
  if (!key) return std::unexpected("is of a kind that Culvert does not verify");
  const KeyId id = (*key)->key_id();
  given_.keys[id] = *key;
  execute(LoadKey{std::move(*key)}, {});
  return id;
}

// Keys first: they are what can fail.
std::expected<void, std::string> Daemon::load_credentials(const config::Loaded& loaded) {
  auto read = load_key_files(signer_, *provider_, loaded.keys);
  if (!read.wrong.empty()) {
    for (const PublicKeyRef& key : read.keys) forget_if_unused(key->key_id());
    return std::unexpected(std::move(read.wrong));
  }
  const KeyMap old = std::exchange(file_keys_, {});
  for (PublicKeyRef& key : read.keys) file_keys_[key->key_id()] = std::move(key);
  tell_credentials(loaded.connections);
  for (const auto& [id, key] : old) forget_if_unused(id);
  return {};
}

void Daemon::tell_credentials(const std::vector<ConnectionRef>& connections) {
  execute(ClearCertificates{}, {});
  const auto add = [this](const std::vector<CertificateData>& certificates, bool is_ca) {
    for (const CertificateData& one : certificates)
      if (auto parsed = parse_certificate(one.view()))
        execute(LoadCertificate{std::move(*parsed), is_ca}, {});
  };
  for (const ConnectionRef& connection : connections) {
    add(connection->local.certs, false);
    add(connection->remote.certs, false);
    add(connection->remote.cacerts, true);
  }
  for (const auto& [fingerprint, one] : given_.certificates) execute(LoadCertificate(one), {});
  for (const pki::CrlRef& crl : given_.crls) execute(LoadCrl{crl}, {});
  for (const KeyMap* keys : {&file_keys_, &given_.keys})
    for (const auto& [id, key] : *keys) execute(LoadKey{key}, {});
}

void Daemon::forget_if_unused(const KeyId& key) {
  if (file_keys_.contains(key) || given_.keys.contains(key)) return;
  signer_.forget(key);
  execute(UnloadKey{key}, {});
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
  given_.keys.erase(key);
  forget_if_unused(key);
}

void Daemon::clear_certificates() {
  const Given gone = std::exchange(given_, {});
  tell_credentials(loaded_.connections);
  for (const auto& [id, key] : gone.keys) forget_if_unused(id);
}

}  // namespace culvert
