// Owns the reading of CRLs. A list may have a million entries: each is kept in 24 octets that point
// into the list, not as an object of libcrypto's.
// Invariant: entries are sorted by serial number, without its leading zeros.
#include "pki/crl.h"

#include <algorithm>

#include "base/der.h"
#include "base/limits.h"
#include "crypto/pem.h"
#include "pki/asn1_time.h"
#include "pki/oid.h"

namespace culvert::pki {
namespace {

constexpr std::uint8_t kBoolean = 0x01, kUrl = der::context(6);

std::unexpected<Error> malformed() { return fail(Fault::peer_misbehaved, Reason::bad_value); }
std::unexpected<Error> unsupported() { return fail(Fault::peer_incompatible, Reason::unsupported); }

ByteView without_zeros(ByteView number) {
  while (number.size() > 1 && number[0] == 0) number = number.subspan(1);
  return number;
}
bool less(ByteView a, ByteView b) {
  if (a.size() != b.size()) return a.size() < b.size();
  return std::ranges::lexicographical_compare(a, b);
}

struct Extension {
  std::string_view oid;
  bool critical = false;
  ByteView value;
};
Result<Extension> read_extension(Reader& list) {
  Reader reader(TRY(der::read(list, der::kSequence)).value);
  Extension extension;
  extension.oid = as_text(TRY(der::read(reader, der::kOid)).value);
  auto next = TRY(der::read(reader));
  if (next.tag == kBoolean) {
    extension.critical = next.value.size() == 1 && next.value[0] != 0;
    next = TRY(der::read(reader));
  }
  if (next.tag != der::kOctetString || !reader.empty()) return malformed();
  extension.value = next.value;
  return extension;
}

Result<RevocationReason> read_reason(Reader extensions) {
  RevocationReason reason = RevocationReason::unspecified;
  while (!extensions.empty()) {
    const Extension extension = TRY(read_extension(extensions));
    if (extension.oid == oid::kReasonCode) {
      const ByteView code = TRY(der::read_only(extension.value, der::kEnumerated)).value;
      if (code.size() != 1) return malformed();
      reason = RevocationReason{code[0]};
    } else if (extension.critical && extension.oid != oid::kInvalidityDate) {
      return unsupported();  // certificateIssuer makes an indirect CRL
    }
  }
  return reason;
}

Result<> read_entries(Crl& crl, ByteView list) {
  for (Reader entries(list); !entries.empty();) {
    Reader reader(TRY(der::read(entries, der::kSequence)).value);
    const ByteView serial = without_zeros(TRY(der::read(reader, der::kInteger)).value);
    if (serial.size() > 64) return malformed();
    Crl::Entry entry;
    entry.serial_at = static_cast<std::uint32_t>(serial.data() - crl.der.data());
    entry.serial_size = static_cast<std::uint16_t>(serial.size());
    entry.when = TRY(read_time(reader));
    if (!reader.empty()) {
      const ByteView extensions = TRY(der::read(reader, der::kSequence)).value;
      entry.reason = TRY(read_reason(Reader(extensions)));
    }
    crl.entries.push_back(entry);
  }
  return {};
}

// IssuingDistributionPoint, RFC 5280, 5.2.5.
Result<> read_issuing_point(Crl& crl, ByteView value) {
  Reader reader(TRY(der::read_only(value, der::kSequence)).value);
  while (!reader.empty()) {
    const auto field = TRY(der::read(reader));
    if (field.tag == der::context(1)) {
      crl.only_user = true;
    } else if (field.tag == der::context(2)) {
      crl.only_ca = true;
    } else if (field.tag == der::constructed_context(0)) {
      // A name relative to the CRL's issuer is something that no certificate here refers to.
      const auto names = TRY(der::read_only(field.value, der::constructed_context(0)));
      for (Reader list(names.value); !list.empty();) {
        const auto name = TRY(der::read(list));
        if (name.tag == kUrl) crl.urls.emplace_back(as_text(name.value));
        if (crl.urls.size() > limits::kMaxUrls) return malformed();
      }
      if (crl.urls.empty()) return unsupported();
    } else {
      return unsupported();  // indirect, for some reasons only, for attribute certificates
    }
  }
  return {};
}

Result<> read_extensions(Crl& crl, ByteView wrapped) {
  for (Reader list(TRY(der::read_only(wrapped, der::kSequence)).value); !list.empty();) {
    const Extension extension = TRY(read_extension(list));
    if (extension.oid == oid::kDeltaCrlIndicator) return unsupported();
    if (extension.oid == oid::kIssuingDistributionPoint) {
      CHECK_OK(read_issuing_point(crl, extension.value));
    } else if (extension.oid == oid::kAuthorityKeyIdentifier) {
      Reader reader(TRY(der::read_only(extension.value, der::kSequence)).value);
      if (reader.empty()) continue;
      const auto id = TRY(der::read(reader));
      if (id.tag == der::context(0)) crl.authority_key_id = to_bytes(id.value);
    } else if (extension.oid == oid::kCrlNumber) {
      crl.number =
          to_bytes(without_zeros(TRY(der::read_only(extension.value, der::kInteger)).value));
    } else if (extension.critical) {
      return unsupported();
    }
  }
  return {};
}

// TBSCertList, RFC 5280, 5.1.
Result<> read_body(Crl& crl, ByteView body, ByteView outer_algorithm) {
  Reader reader(body);
  auto next = TRY(der::read(reader));
  if (next.tag == der::kInteger) next = TRY(der::read(reader));  // the version
  if (!equal(next.whole, outer_algorithm)) return malformed();
  crl.issuer = TRY(der::read(reader, der::kSequence)).whole;
  crl.this_update = TRY(read_time(reader));
  crl.next_update = TRY(read_time(reader));  // RFC 5280, 5.1.2.5: required
  if (reader.empty()) return {};
  next = TRY(der::read(reader));
  if (next.tag == der::kSequence) {
    CHECK_OK(read_entries(crl, next.value));
    if (reader.empty()) return {};
    next = TRY(der::read(reader));
  }
  if (next.tag != der::constructed_context(0) || !reader.empty()) return malformed();
  return read_extensions(crl, next.value);
}

Result<> read_list(Crl& crl) {
  Reader reader(TRY(der::read_only(crl.der, der::kSequence)).value);
  const auto tbs = TRY(der::read(reader, der::kSequence));
  const auto algorithm = TRY(der::read(reader, der::kSequence));
  const auto signature = TRY(der::read(reader, der::kBitString));
  if (!reader.empty() || signature.value.empty() || signature.value[0] != 0) return malformed();
  crl.tbs = tbs.whole;
  crl.signature = signature.value.subspan(1);
  if (const auto scheme = decode_scheme(algorithm.whole)) crl.scheme = *scheme;
  return read_body(crl, tbs.value, algorithm.whole);
}

Result<Bytes> der_of(ByteView file) {
  if (!is_pem(file)) return to_bytes(file);
  for (PemBlock& block : TRY(read_pem(as_text(file))))
    if (block.label == "X509 CRL") return std::move(block.der);
  return fail(Fault::local_policy, Reason::not_found);
}

}  // namespace

std::string_view name_of(RevocationReason reason) {
  constexpr std::string_view kNames[] = {"no reason given",
                                         "key compromise",
                                         "CA compromise",
                                         "affiliation changed",
                                         "superseded",
                                         "cessation of operation",
                                         "on hold",
                                         "no reason given",
                                         "removed from the list",
                                         "privilege withdrawn",
                                         "AA compromise"};
  const auto index = static_cast<std::size_t>(reason);
  return index < std::size(kNames) ? kNames[index] : kNames[0];
}

ByteView Crl::serial_of(const Entry& entry) const {
  return ByteView(der).subspan(entry.serial_at, entry.serial_size);
}

std::optional<Revocation> Crl::find(ByteView serial) const {
  const ByteView wanted = without_zeros(serial);
  const auto at = std::ranges::lower_bound(entries, wanted, less,
                                           [this](const Entry& entry) { return serial_of(entry); });
  if (at == entries.end() || !equal(serial_of(*at), wanted)) return std::nullopt;
  return Revocation{at->when, at->reason};
}

bool Crl::is_newer_than(const Crl& other) const {
  if (this_update != other.this_update) return this_update > other.this_update;
  return less(other.number, number);
}

bool Crl::covers(const Certificate& certificate) const {
  if ((only_user && certificate.is_ca) || (only_ca && !certificate.is_ca)) return false;
  // RFC 5280, 6.3.3 (b)(2): one name of the list's point is among the certificate's.
  return urls.empty() || std::ranges::find_first_of(urls, certificate.crl_urls) != urls.end();
}

Result<CrlRef> parse_crl(Provider& provider, ByteView file) {
  if (file.size() > limits::kMaxCrlSize) return fail(Fault::peer_misbehaved, Reason::too_large);
  auto crl = std::make_shared<Crl>();
  crl->der = TRY(der_of(file));
  CHECK_OK(read_list(*crl));
  std::ranges::sort(crl->entries, less, [&crl](const Crl::Entry& entry) {
    return ByteView(crl->der).subspan(entry.serial_at, entry.serial_size);
  });
  crl->entries.shrink_to_fit();
  CHECK_OK(provider.hash(Hash::sha2_256, {crl->der}, crl->fingerprint));
  return crl;
}

Result<> verify(Provider& provider, const Crl& crl, const Certificate& issuer) {
  if (name_key(crl.issuer) != name_key(issuer.subject) ||
      (!crl.authority_key_id.empty() && !issuer.subject_key_id.empty() &&
       crl.authority_key_id != issuer.subject_key_id))
    return fail(Fault::peer_incompatible, Reason::no_match);
  // RFC 5280, 6.3.3 (f).
  if (issuer.key_usage && (*issuer.key_usage & kCrlSign) == 0)
    return fail(Fault::local_policy, Reason::refused);
  if (!issuer.key || !crl.scheme) return unsupported();
  return provider.verify(*issuer.key, *crl.scheme, {crl.tbs}, crl.signature);
}

}  // namespace culvert::pki
