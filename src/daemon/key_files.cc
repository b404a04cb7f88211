#include "daemon/key_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "pki/certificate.h"

namespace culvert {
namespace {

bool belongs(Provider& provider, const PublicKey& key, const config::KeyFile& file) {
  const auto in_certificate = [&](const CertificateData& one) {
    const auto parsed = pki::parse_certificate(provider, one.view());
    return parsed && (*parsed)->key && (*parsed)->key->key_id() == key.key_id();
  };
  const auto is_it = [&](const CertificateData& spki) {
    const auto known = provider.load_public_key(spki.view());
    return known && (*known)->key_id() == key.key_id();
  };
  return std::ranges::any_of(file.certificates, in_certificate) ||
         std::ranges::any_of(file.public_keys, is_it);
}

std::expected<PublicKeyRef, std::string> load(Signer& signer, Provider& provider,
                                              const config::KeyFile& file) {
  const auto spki = signer.load_file(file.path, file.password_path);
  if (!spki) return std::unexpected("the private key: " + spki.error());
  auto key = provider.load_public_key(*spki);
  if (!key) return std::unexpected("the private key of " + file.path + " is of an unknown kind");
  return std::move(*key);
}

}  // namespace

LoadedKeys load_key_files(Signer& signer, Provider& provider,
                          std::span<const config::KeyFile> files) {
  std::map<std::pair<std::string, std::string>, std::expected<PublicKeyRef, std::string>> known;
  LoadedKeys result;
  const auto complain = [&](const config::KeyFile& file, std::string_view what) {
    result.wrong += fmt::format("{}{}: {}", result.wrong.empty() ? "" : "\n", file.place, what);
  };
  for (const config::KeyFile& file : files) {
    auto [at, first] =
        known.try_emplace({file.path, file.password_path}, std::unexpected(std::string()));
    if (first) {
      at->second = load(signer, provider, file);
      if (at->second) result.keys.push_back(*at->second);
    }
    if (!at->second)
      complain(file, at->second.error());
    else if (!belongs(provider, **at->second, file))
      complain(file,
               fmt::format("the private key in {} does not belong to the {} beside it", file.path,
                           file.certificates.empty() ? "public key" : "certificate"));
  }
  return result;
}

}  // namespace culvert
