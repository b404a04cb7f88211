// Owns the layout of certificates and certification requests.
// Invariant: whatever a caller gives, the certificate is well-formed DER.
#include "pki/issuing.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "crypto/openssl_handles.h"
#include "pki/certificate.h"
#include "pki/der_values.h"
#include "pki/oid.h"

namespace culvert::pki {
namespace {

using wire::IdType;

constexpr std::size_t kMaxRequestSize = 64 * 1'024;

// GeneralName: RFC 5280, 4.2.1.6
constexpr std::uint8_t kRfc822Name = der::context(1), kDnsName = der::context(2),
                       kDirectoryName = der::constructed_context(4), kUriName = der::context(6),
                       kIpAddress = der::context(7);

std::string_view oid_of(KeyPurpose purpose) {
  switch (purpose) {
    case KeyPurpose::server_auth:
      return oid::kServerAuth;
    case KeyPurpose::client_auth:
      return oid::kClientAuth;
    case KeyPurpose::ike_intermediate:
      return oid::kIkeIntermediate;
    case KeyPurpose::ocsp_signing:
      return oid::kOcspSigning;
    case KeyPurpose::smartcard_logon:
      return oid::kSmartcardLogon;
  }
  return {};
}

Bytes joined(const std::vector<Bytes>& elements) {
  Bytes out;
  for (const Bytes& one : elements) append(out, one);
  return out;
}

Bytes extension(std::string_view id, bool critical, ByteView value) {
  return der::sequence(
      {der::oid(id), critical ? der::boolean(true) : Bytes{}, der::octet_string(value)});
}

Bytes basic_constraints(const CertificateContents& contents) {
  const Bytes ca = contents.ca ? der::boolean(true) : Bytes{};  // DER omits the default, false
  const bool bounded = contents.ca && contents.path_length;
  return der::sequence(
      {ca, bounded ? der::integer(std::uint64_t{*contents.path_length}) : Bytes{}});
}

Bytes key_usage(const CertificateContents& contents) {
  std::uint16_t bits = kDigitalSignature;
  if (contents.ca) bits = kKeyCertSign | kCrlSign;
  if (contents.crl_sign) bits |= kCrlSign;
  return der::named_bits(bits);
}

Bytes purposes(const CertificateContents& contents) {
  Bytes ids;
  for (const KeyPurpose purpose : contents.purposes) append(ids, der::oid(oid_of(purpose)));
  return der::sequence({ids});
}

// One DistributionPoint for each URI: those of one point are alternatives to each other.
Bytes distribution_points(const std::vector<std::string>& uris) {
  constexpr std::uint8_t kName = der::constructed_context(0);
  Bytes points;
  for (const std::string& uri : uris) {
    const Bytes full_name = der::element(kName, {uri_name(uri)});
    append(points, der::sequence({der::element(kName, {full_name})}));
  }
  return der::sequence({points});
}

Bytes information_access(const std::vector<std::string>& uris) {
  Bytes descriptions;
  for (const std::string& uri : uris)
    append(descriptions, der::sequence({der::oid(oid::kOcsp), uri_name(uri)}));
  return der::sequence({descriptions});
}

Bytes name_constraints(const CertificateContents& contents) {
  const auto subtrees = [](std::uint8_t number, const std::vector<Bytes>& names) {
    if (names.empty()) return Bytes{};
    Bytes bases;
    for (const Bytes& name : names) append(bases, der::sequence({name}));
    return der::element(der::constructed_context(number), {bases});
  };
  return der::sequence({subtrees(0, contents.permitted), subtrees(1, contents.excluded)});
}

Bytes policies(const std::vector<Bytes>& ids) {
  Bytes information;
  for (const Bytes& id : ids) append(information, der::sequence({id}));
  return der::sequence({information});
}

Bytes subject_alt_name(const CertificateContents& contents) {
  // RFC 5280, 4.2.1.6: critical where there is no subject to read instead.
  const bool empty_subject = equal(contents.subject, der::sequence({}));
  return extension(oid::kSubjectAltName, empty_subject,
                   der::sequence({joined(contents.subject_alt_names)}));
}

Bytes extensions(const CertificateContents& contents, const Issuer& issuer) {
  const Bytes authority = der::sequence({der::element(der::context(0), {issuer.key_id})});
  Bytes all = extension(oid::kSubjectKeyIdentifier, false, der::octet_string(contents.key_id));
  append(all, extension(oid::kAuthorityKeyIdentifier, false, authority));
  append(all, extension(oid::kBasicConstraints, contents.ca, basic_constraints(contents)));
  append(all, extension(oid::kKeyUsage, true, key_usage(contents)));
  if (!contents.subject_alt_names.empty()) append(all, subject_alt_name(contents));
  if (!contents.purposes.empty())
    append(all, extension(oid::kExtendedKeyUsage, false, purposes(contents)));
  // RFC 6960, 4.2.2.2.1: else whoever checks a responder would have to ask it about itself.
  if (std::ranges::find(contents.purposes, KeyPurpose::ocsp_signing) != contents.purposes.end())
    append(all, extension(oid::kOcspNoCheck, false, Bytes{0x05, 0x00}));
  if (!contents.crl_uris.empty())
    append(all,
           extension(oid::kCrlDistributionPoints, false, distribution_points(contents.crl_uris)));
  if (!contents.ocsp_uris.empty())
    append(all,
           extension(oid::kAuthorityInfoAccess, false, information_access(contents.ocsp_uris)));
  if (!contents.permitted.empty() || !contents.excluded.empty())
    append(all, extension(oid::kNameConstraints, true, name_constraints(contents)));
  if (!contents.policies.empty())
    append(all, extension(oid::kCertificatePolicies, false, policies(contents.policies)));
  return der::element(der::constructed_context(3), {der::sequence({all})});
}

// Calls an i2d function of OpenSSL's.
template <class F, class T>
Bytes encoded(F encode, const T* object) {
  const int size = encode(object, nullptr);
  if (size <= 0) return {};
  Bytes out(static_cast<std::size_t>(size));
  std::uint8_t* at = out.data();
  encode(object, &at);
  return out;
}

std::vector<Bytes> requested_names(X509_REQ* request) {
  struct FreeExtensions {
    void operator()(STACK_OF(X509_EXTENSION) * stack) const {
      sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
    }
  };
  const std::unique_ptr<STACK_OF(X509_EXTENSION), FreeExtensions> wanted(
      X509_REQ_get_extensions(request));
  const openssl::Handle<GENERAL_NAMES, GENERAL_NAMES_free> names(static_cast<GENERAL_NAMES*>(
      X509V3_get_d2i(wanted.get(), NID_subject_alt_name, nullptr, nullptr)));
  std::vector<Bytes> out;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i)
    out.push_back(encoded(i2d_GENERAL_NAME, sk_GENERAL_NAME_value(names.get(), i)));
  return out;
}

}  // namespace

Bytes serial_from_random(ByteView random) {
  Bytes serial = to_bytes(random);
  // The highest bit stays clear, the next one set: positive, never zero, and always as long.
  serial.front() = static_cast<std::uint8_t>((serial.front() & 0x7f) | 0x40);
  return serial;
}

std::optional<Bytes> general_name(const Identity& identity) {
  switch (identity.type) {
    case IdType::fqdn:
      return der::element(kDnsName, {identity.data});
    case IdType::rfc822_addr:
      return der::element(kRfc822Name, {identity.data});
    case IdType::ipv4_addr:
    case IdType::ipv6_addr:
      return der::element(kIpAddress, {identity.data});
    case IdType::der_asn1_dn:
      return der::element(kDirectoryName, {identity.data});
    default:
      return std::nullopt;
  }
}

Bytes uri_name(std::string_view uri) { return der::element(kUriName, {as_bytes(uri)}); }

Bytes prefix_name(const Prefix& prefix) {
  Bytes octets = to_bytes(prefix.address.bytes());
  for (int bit = 0; bit < prefix.address.bits(); bit += 8) {
    const int ones = std::clamp(int{prefix.length} - bit, 0, 8);
    octets.push_back(static_cast<std::uint8_t>(0xff << (8 - ones)));
  }
  return der::element(kIpAddress, {octets});
}

Result<Bytes> sign_der(ByteView body, const PrivateKey& key, const SignatureScheme& scheme,
                       ByteView last) {
  const Bytes signature = TRY(key.sign(scheme, {body}));
  return der::sequence({body, encode_scheme(scheme), der::bit_string(signature), last});
}

Result<Bytes> issue_certificate(const CertificateContents& contents, const Issuer& issuer) {
  const Bytes version3 =
      der::element(der::constructed_context(0), {der::integer(std::uint64_t{2})});
  const Bytes validity =
      der::sequence({der::time(contents.not_before), der::time(contents.not_after)});
  const Bytes body = der::sequence(
      {version3, der::integer(contents.serial), encode_scheme(issuer.scheme), issuer.name, validity,
       contents.subject, contents.public_key, extensions(contents, issuer)});
  return sign_der(body, issuer.key, issuer.scheme);
}

Result<Bytes> make_request(const RequestContents& contents, const PrivateKey& key,
                           const SignatureScheme& scheme) {
  Bytes attributes;
  if (!contents.challenge_password.empty())
    append(attributes, der::sequence({der::oid(oid::kChallengePassword),
                                      der::set_of(der::utf8_string(contents.challenge_password))}));
  if (!contents.subject_alt_names.empty()) {
    const Bytes names =
        extension(oid::kSubjectAltName, false, der::sequence({joined(contents.subject_alt_names)}));
    append(attributes,
           der::sequence({der::oid(oid::kExtensionRequest), der::set_of(der::sequence({names}))}));
  }
  const Bytes body =
      der::sequence({der::integer(std::uint64_t{0}), contents.subject, contents.public_key,
                     der::element(der::constructed_context(0), {attributes})});
  return sign_der(body, key, scheme);
}

Result<RequestContents> read_request(ByteView der) {
  if (der.size() > kMaxRequestSize) return fail(Fault::local_policy, Reason::too_large);
  const std::uint8_t* at = der.data();
  const openssl::Handle<X509_REQ, X509_REQ_free> request(
      d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
  if (!request || at != der.data() + der.size())
    return openssl::failed(Fault::local_policy, Reason::bad_value);
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr || X509_REQ_verify(request.get(), key) != 1)
    return openssl::failed(Fault::local_policy, Reason::bad_integrity);
  RequestContents contents;
  contents.subject = encoded(i2d_X509_NAME, X509_REQ_get_subject_name(request.get()));
  contents.public_key = encoded(i2d_X509_PUBKEY, X509_REQ_get_X509_PUBKEY(request.get()));
  contents.subject_alt_names = requested_names(request.get());
  ERR_clear_error();
  return contents;
}

}  // namespace culvert::pki
