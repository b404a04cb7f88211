// Owns the layout of CRLs.
#include "pki/crl_issuing.h"

#include "pki/der_values.h"
#include "pki/oid.h"

namespace culvert::pki {
namespace {

Bytes extension(std::string_view id, ByteView value) {
  return der::sequence({der::oid(id), der::octet_string(value)});
}

Bytes entry(const RevokedEntry& revoked) {
  const auto [when, reason] = revoked.revocation;
  // RFC 5280, 5.3.1: the reason is left out rather than called unspecified.
  Bytes extensions;
  if (reason != RevocationReason::unspecified)
    extensions = der::sequence(
        {extension(oid::kReasonCode, der::enumerated(static_cast<std::uint8_t>(reason)))});
  return der::sequence({der::integer(revoked.serial), der::time(when), extensions});
}

}  // namespace

Result<Bytes> issue_crl(const CrlContents& contents, const Issuer& issuer) {
  Bytes entries;
  for (const RevokedEntry& revoked : contents.revoked) append(entries, entry(revoked));
  // RFC 5280, 5.1.2.6: no list rather than an empty one.
  const Bytes list = entries.empty() ? Bytes{} : der::sequence({entries});
  const Bytes authority = der::sequence({der::element(der::context(0), {issuer.key_id})});
  const Bytes extensions =
      der::sequence({extension(oid::kAuthorityKeyIdentifier, authority),
                     extension(oid::kCrlNumber, der::integer(contents.number))});
  const Bytes body =
      der::sequence({der::integer(std::uint64_t{1}), encode_scheme(issuer.scheme), issuer.name,
                     der::time(contents.this_update), der::time(contents.next_update), list,
                     der::element(der::constructed_context(0), {extensions})});
  return sign_der(body, issuer.key, issuer.scheme);
}

}  // namespace culvert::pki
