#include "pki/identity_match.h"

#include <algorithm>

namespace culvert::pki {
namespace {

using wire::IdType;

constexpr std::size_t kEmptyName = 2;  // octets of the Name without attributes

bool has_key_id(const Certificate& certificate, ByteView id) {
  if (id.empty()) return false;
  if (equal(id, certificate.subject_key_id)) return true;
  return certificate.key &&
         (equal(id, certificate.key->key_id()) || equal(id, certificate.key->spki_hash()));
}

std::optional<Identity> identity_of(const GeneralName& name) {
  switch (name.type) {
    case NameType::dns:
      return Identity{IdType::fqdn, name.value};
    case NameType::email:
      return Identity{IdType::rfc822_addr, name.value};
    case NameType::ip:
      return Identity{name.value.size() == 4 ? IdType::ipv4_addr : IdType::ipv6_addr, name.value};
    case NameType::directory:
      return Identity{IdType::der_asn1_dn, name.value};
    case NameType::uri:
    case NameType::other:
      break;
  }
  return std::nullopt;
}

}  // namespace

std::vector<Identity> identities_of(const Certificate& certificate) {
  std::vector<Identity> identities;
  if (certificate.subject.size() > kEmptyName)
    identities.push_back({IdType::der_asn1_dn, to_bytes(certificate.subject)});
  for (const GeneralName& name : certificate.alternative_names)
    if (auto identity = identity_of(name)) identities.push_back(std::move(*identity));
  return identities;
}

bool certifies(const Certificate& certificate, const Identity& claimed) {
  if (claimed.type == IdType::key_id) return has_key_id(certificate, claimed.data);
  // No name holds a NUL; one that does was made to deceive.
  if (claimed.type == IdType::null ||
      (claimed.type != IdType::der_asn1_dn && claimed.type != IdType::ipv4_addr &&
       claimed.type != IdType::ipv6_addr && as_text(claimed.data).contains('\0')))
    return false;
  const std::string key = index_key(claimed);
  return std::ranges::any_of(identities_of(certificate), [&key](const Identity& identity) {
    return index_key(identity) == key;
  });
}

int match_certificate(const Identity& pattern, const Certificate& certificate) {
  if (pattern.is_any()) return kAnyMatch;
  if (pattern.type == IdType::key_id)
    return has_key_id(certificate, pattern.data) ? kExactMatch : 0;
  int best = 0;
  for (const Identity& identity : identities_of(certificate))
    best = std::max(best, match(pattern, identity));
  return best;
}

}  // namespace culvert::pki
