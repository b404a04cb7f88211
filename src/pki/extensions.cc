// Invariant: nothing here outlives the call but copies in the Certificate.
#include "pki/extensions.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <set>

#include "base/limits.h"
#include "crypto/openssl_handles.h"

namespace culvert::pki {
namespace {

using openssl::Handle;

std::unexpected<Error> malformed(Reason reason = Reason::bad_value) {
  return openssl::failed(Fault::peer_misbehaved, reason);
}

template <auto Free, class T>
Handle<T, Free> decode(X509_EXTENSION* extension) {
  return Handle<T, Free>(static_cast<T*>(X509V3_EXT_d2i(extension)));
}

Bytes octets(const ASN1_STRING* string) {
  const unsigned char* data = ASN1_STRING_get0_data(string);
  return {data, data + ASN1_STRING_length(string)};
}

template <class T>
Bytes encoded(const T* object, int (*encode)(const T*, unsigned char**)) {
  unsigned char* der = nullptr;
  const int size = encode(object, &der);
  if (size <= 0) return {};
  Bytes out(der, der + size);
  OPENSSL_free(der);
  return out;
}

std::string oid_text(const ASN1_OBJECT* object) {
  char text[128];
  const int size = OBJ_obj2txt(text, sizeof text, object, 1);
  return {text,
          size > 0 ? std::min<std::size_t>(static_cast<std::size_t>(size), sizeof text - 1) : 0};
}

GeneralName convert(const GENERAL_NAME* name) {
  switch (name->type) {
    case GEN_DNS:
      return {NameType::dns, octets(name->d.dNSName)};
    case GEN_EMAIL:
      return {NameType::email, octets(name->d.rfc822Name)};
    case GEN_URI:
      return {NameType::uri, octets(name->d.uniformResourceIdentifier)};
    case GEN_IPADD:
      return {NameType::ip, octets(name->d.iPAddress)};
    case GEN_DIRNAME:
      return {NameType::directory, encoded<X509_NAME>(name->d.directoryName, i2d_X509_NAME)};
    default:
      return {NameType::other, encoded<GENERAL_NAME>(name, i2d_GENERAL_NAME)};
  }
}

bool has_size(const GeneralName& name, std::size_t v4, std::size_t v6) {
  return name.type != NameType::ip || name.value.size() == v4 || name.value.size() == v6;
}

Result<> read_alternative_names(X509_EXTENSION* extension, Certificate& to) {
  const auto names = decode<GENERAL_NAMES_free, GENERAL_NAMES>(extension);
  if (!names) return malformed();
  const int count = sk_GENERAL_NAME_num(names.get());
  if (count > static_cast<int>(limits::kMaxGeneralNames)) return malformed(Reason::too_large);
  for (int i = 0; i < count; ++i) {
    GeneralName name = convert(sk_GENERAL_NAME_value(names.get(), i));
    if (!has_size(name, 4, 16)) return malformed();
    to.alternative_names.push_back(std::move(name));
  }
  return {};
}

Result<std::optional<std::uint32_t>> small_number(const ASN1_INTEGER* integer) {
  if (integer == nullptr) return std::nullopt;
  std::int64_t value = 0;
  if (ASN1_INTEGER_get_int64(&value, integer) != 1 || value < 0) return malformed();
  return static_cast<std::uint32_t>(std::min<std::int64_t>(value, UINT32_MAX));
}

Result<> read_basic_constraints(X509_EXTENSION* extension, Certificate& to) {
  const auto constraints = decode<BASIC_CONSTRAINTS_free, BASIC_CONSTRAINTS>(extension);
  if (!constraints) return malformed();
  to.is_ca = constraints->ca != 0;
  to.path_length = TRY(small_number(constraints->pathlen));
  return {};
}

Result<> read_key_usage(X509_EXTENSION* extension, Certificate& to) {
  const auto bits = decode<ASN1_BIT_STRING_free, ASN1_BIT_STRING>(extension);
  if (!bits) return malformed();
  std::uint16_t usage = 0;
  for (int bit = 0; bit < 9; ++bit)
    if (ASN1_BIT_STRING_get_bit(bits.get(), bit) != 0)
      usage = static_cast<std::uint16_t>(usage | 1u << bit);
  to.key_usage = usage;
  return {};
}

std::uint8_t usage_bit(const std::string& oid) {
  if (oid == "2.5.29.37.0") return kAnyUsage;
  if (oid == "1.3.6.1.5.5.7.3.1") return kServerAuth;
  if (oid == "1.3.6.1.5.5.7.3.2") return kClientAuth;
  if (oid == "1.3.6.1.5.5.8.2.2") return kIkeIntermediate;
  if (oid == "1.3.6.1.5.5.7.3.9") return kOcspSigning;
  for (const char* ipsec :
       {"1.3.6.1.5.5.7.3.17", "1.3.6.1.5.5.7.3.5", "1.3.6.1.5.5.7.3.6", "1.3.6.1.5.5.7.3.7"})
    if (oid == ipsec) return kIpsecIke;
  return kOtherUsage;
}

Result<> read_extended_key_usage(X509_EXTENSION* extension, Certificate& to) {
  const auto usages = decode<EXTENDED_KEY_USAGE_free, EXTENDED_KEY_USAGE>(extension);
  if (!usages) return malformed();
  std::uint8_t bits = 0;
  for (int i = 0; i < sk_ASN1_OBJECT_num(usages.get()); ++i)
    bits |= usage_bit(oid_text(sk_ASN1_OBJECT_value(usages.get(), i)));
  to.extended_key_usage = bits;
  return {};
}

Result<> read_subject_key_id(X509_EXTENSION* extension, Certificate& to) {
  const auto id = decode<ASN1_OCTET_STRING_free, ASN1_OCTET_STRING>(extension);
  if (!id) return malformed();
  to.subject_key_id = octets(id.get());
  return {};
}

Result<> read_authority_key_id(X509_EXTENSION* extension, Certificate& to) {
  const auto id = decode<AUTHORITY_KEYID_free, AUTHORITY_KEYID>(extension);
  if (!id) return malformed();
  if (id->keyid != nullptr) to.authority_key_id = octets(id->keyid);
  return {};
}

Result<> read_subtrees(const STACK_OF(GENERAL_SUBTREE) * trees, std::vector<GeneralName>& to) {
  const int count = sk_GENERAL_SUBTREE_num(trees);  // -1 where there is no list
  if (count > static_cast<int>(limits::kMaxGeneralNames)) return malformed(Reason::too_large);
  for (int i = 0; i < count; ++i) {
    const GENERAL_SUBTREE* tree = sk_GENERAL_SUBTREE_value(trees, i);
    // RFC 5280, 4.2.1.10: minimum is 0, which DER leaves out, and maximum is absent.
    if ((tree->minimum != nullptr && ASN1_INTEGER_get(tree->minimum) != 0) ||
        tree->maximum != nullptr)
      return malformed();
    GeneralName name = convert(tree->base);
    if (!has_size(name, 8, 32)) return malformed();
    to.push_back(std::move(name));
  }
  return {};
}

Result<> read_name_constraints(X509_EXTENSION* extension, Certificate& to) {
  const auto constraints = decode<NAME_CONSTRAINTS_free, NAME_CONSTRAINTS>(extension);
  if (!constraints) return malformed();
  CHECK_OK(read_subtrees(constraints->permittedSubtrees, to.name_constraints.permitted));
  return read_subtrees(constraints->excludedSubtrees, to.name_constraints.excluded);
}

Result<> read_policies(X509_EXTENSION* extension, Certificate& to) {
  const auto policies = decode<CERTIFICATEPOLICIES_free, CERTIFICATEPOLICIES>(extension);
  if (!policies) return malformed();
  const int count = sk_POLICYINFO_num(policies.get());
  if (count > static_cast<int>(limits::kMaxGeneralNames)) return malformed(Reason::too_large);
  for (int i = 0; i < count; ++i)
    to.policies.push_back(oid_text(sk_POLICYINFO_value(policies.get(), i)->policyid));
  return {};
}

Result<> read_policy_constraints(X509_EXTENSION* extension, Certificate& to) {
  const auto constraints = decode<POLICY_CONSTRAINTS_free, POLICY_CONSTRAINTS>(extension);
  if (!constraints) return malformed();
  to.require_explicit_policy = TRY(small_number(constraints->requireExplicitPolicy));
  return {};
}

Result<> read_inhibit_any_policy(X509_EXTENSION* extension, Certificate& to) {
  const auto skip = decode<ASN1_INTEGER_free, ASN1_INTEGER>(extension);
  if (!skip) return malformed();
  to.inhibit_any_policy = TRY(small_number(skip.get()));
  return {};
}

void add_url(const GENERAL_NAME* name, std::vector<std::string>& to) {
  if (name->type != GEN_URI || to.size() == limits::kMaxUrls) return;
  const Bytes url = octets(name->d.uniformResourceIdentifier);
  const bool clean = std::ranges::all_of(url, [](std::uint8_t c) { return c > ' ' && c < 0x7f; });
  if (!url.empty() && clean) to.emplace_back(as_text(url));
}

Result<> read_crl_urls(X509_EXTENSION* extension, Certificate& to) {
  const auto points = decode<CRL_DIST_POINTS_free, CRL_DIST_POINTS>(extension);
  if (!points) return malformed();
  for (int i = 0; i < sk_DIST_POINT_num(points.get()); ++i) {
    const DIST_POINT* point = sk_DIST_POINT_value(points.get(), i);
    // Another issuer's CRLs, and CRLs for some reasons only, are not what we look at.
    if (point->distpoint == nullptr || point->distpoint->type != 0 || point->CRLissuer != nullptr ||
        point->reasons != nullptr)
      continue;
    const GENERAL_NAMES* names = point->distpoint->name.fullname;
    for (int j = 0; j < sk_GENERAL_NAME_num(names); ++j)
      add_url(sk_GENERAL_NAME_value(names, j), to.crl_urls);
  }
  return {};
}

Result<> read_access(X509_EXTENSION* extension, Certificate& to) {
  const auto access = decode<AUTHORITY_INFO_ACCESS_free, AUTHORITY_INFO_ACCESS>(extension);
  if (!access) return malformed();
  for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(access.get()); ++i) {
    const ACCESS_DESCRIPTION* description = sk_ACCESS_DESCRIPTION_value(access.get(), i);
    if (OBJ_obj2nid(description->method) == NID_ad_OCSP)
      add_url(description->location, to.ocsp_urls);
  }
  return {};
}

Result<> read_no_check(X509_EXTENSION*, Certificate& to) {
  to.ocsp_no_check = true;
  return {};
}

struct Row {
  int nid;
  Result<> (*read)(X509_EXTENSION*, Certificate&);
};
constexpr Row kRows[] = {
    {NID_subject_alt_name, read_alternative_names},
    {NID_basic_constraints, read_basic_constraints},
    {NID_key_usage, read_key_usage},
    {NID_ext_key_usage, read_extended_key_usage},
    {NID_subject_key_identifier, read_subject_key_id},
    {NID_authority_key_identifier, read_authority_key_id},
    {NID_name_constraints, read_name_constraints},
    {NID_certificate_policies, read_policies},
    {NID_policy_constraints, read_policy_constraints},
    {NID_inhibit_any_policy, read_inhibit_any_policy},
    {NID_crl_distribution_points, read_crl_urls},
    {NID_info_access, read_access},
    {NID_id_pkix_OCSP_noCheck, read_no_check},
};

}  // namespace

Result<> read_extensions(const STACK_OF(X509_EXTENSION) & from, Certificate& to) {
  const int count = sk_X509_EXTENSION_num(&from);
  if (count > static_cast<int>(limits::kMaxExtensions)) return malformed(Reason::too_large);
  std::set<std::string> seen;
  for (int i = 0; i < count; ++i) {
    X509_EXTENSION* extension = sk_X509_EXTENSION_value(&from, i);
    const ASN1_OBJECT* object = X509_EXTENSION_get_object(extension);
    const std::string oid = oid_text(object);
    if (!seen.insert(oid).second) return malformed();  // RFC 5280, 4.2: never twice
    const auto* row = std::ranges::find(kRows, OBJ_obj2nid(object), &Row::nid);
    if (row != std::end(kRows)) {
      CHECK_OK(row->read(extension, to));
    } else if (X509_EXTENSION_get_critical(extension) != 0 && to.unknown_critical.empty()) {
      to.unknown_critical = oid;
    }
  }
  return {};
}

}  // namespace culvert::pki
