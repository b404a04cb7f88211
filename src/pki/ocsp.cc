// Owns OCSP's encoding and who may answer.
// Invariant: nothing of a response counts before verify().
#include "pki/ocsp.h"

#include <algorithm>

#include "base/der.h"
#include "base/limits.h"
#include "pki/asn1_time.h"
#include "pki/der_values.h"
#include "pki/oid.h"

namespace culvert::pki {
namespace {

using namespace std::string_view_literals;

constexpr std::uint8_t kBoolean = 0x01;
// How long an answer counts that does not say so itself.
constexpr std::chrono::hours kAnswerLifetime{1};

struct HashRow {
  std::string_view oid;
  Hash hash;
};
constexpr HashRow kHashes[] = {
    {"\x2b\x0e\x03\x02\x1a"sv, Hash::sha1},
    {"\x60\x86\x48\x01\x65\x03\x04\x02\x01"sv, Hash::sha2_256},
    {"\x60\x86\x48\x01\x65\x03\x04\x02\x02"sv, Hash::sha2_384},
    {"\x60\x86\x48\x01\x65\x03\x04\x02\x03"sv, Hash::sha2_512},
};

std::unexpected<Error> malformed() { return fail(Fault::peer_misbehaved, Reason::bad_value); }

struct IssuerHashes {
  std::array<std::uint8_t, kMaxHashSize> name{}, key{};
  std::size_t size = 0;
};
Result<IssuerHashes> hashes_of(Provider& provider, const Certificate& issuer, Hash hash) {
  const auto fields = TRY(parse_public_key(issuer.spki));
  IssuerHashes hashes{.size = hash_size(hash)};
  CHECK_OK(provider.hash(hash, {issuer.subject}, MutableBytes(hashes.name).first(hashes.size)));
  CHECK_OK(provider.hash(hash, {fields.subject_public_key},
                         MutableBytes(hashes.key).first(hashes.size)));
  return hashes;
}

// CertID, RFC 6960, 4.1.1.
Result<> read_certificate_id(Reader& from, OcspAnswer& to) {
  Reader reader(TRY(der::read(from, der::kSequence)).value);
  Reader algorithm(TRY(der::read(reader, der::kSequence)).value);
  const auto name = TRY(der::read(algorithm, der::kOid));
  const auto* row = std::ranges::find(kHashes, as_text(name.value), &HashRow::oid);
  if (row == std::end(kHashes)) return fail(Fault::peer_incompatible, Reason::unsupported);
  to.hash = row->hash;
  to.issuer_name_hash = TRY(der::read(reader, der::kOctetString)).value;
  to.issuer_key_hash = TRY(der::read(reader, der::kOctetString)).value;
  to.serial = TRY(der::read(reader, der::kInteger)).value;
  return {};
}

Result<> read_status(Reader& from, OcspAnswer& to) {
  const auto status = TRY(der::read(from));
  if (status.tag == der::context(0)) {
    to.status = OcspAnswer::Status::good;
  } else if (status.tag == der::constructed_context(1)) {
    to.status = OcspAnswer::Status::revoked;
    Reader reader(status.value);
    to.revocation.when = TRY(read_time(reader));
    if (reader.empty()) return {};
    const auto reason = TRY(der::read(reader, der::constructed_context(0)));
    const ByteView code = TRY(der::read_only(reason.value, der::kEnumerated)).value;
    if (code.size() != 1) return malformed();
    to.revocation.reason = RevocationReason{code[0]};
  } else if (status.tag != der::context(2)) {
    return malformed();
  }
  return {};
}

Result<OcspAnswer> read_answer(Reader& from) {
  Reader reader(TRY(der::read(from, der::kSequence)).value);
  OcspAnswer answer;
  CHECK_OK(read_certificate_id(reader, answer));
  CHECK_OK(read_status(reader, answer));
  answer.this_update = TRY(read_time(reader));
  if (reader.empty()) return answer;
  const auto next = TRY(der::read(reader));
  if (next.tag == der::constructed_context(0)) {
    Reader time(next.value);
    answer.next_update = TRY(read_time(time));
  }
  return answer;
}

Result<> read_nonce(OcspResponse& to, ByteView wrapped) {
  for (Reader list(TRY(der::read_only(wrapped, der::kSequence)).value); !list.empty();) {
    Reader reader(TRY(der::read(list, der::kSequence)).value);
    const auto name = TRY(der::read(reader, der::kOid));
    auto value = TRY(der::read(reader));
    if (value.tag == kBoolean) value = TRY(der::read(reader));
    if (as_text(name.value) != oid::kOcspNonce) continue;
    to.nonce = to_bytes(TRY(der::read_only(value.value, der::kOctetString)).value);
  }
  return {};
}

// ResponseData, RFC 6960, 4.2.1.
Result<> read_data(OcspResponse& to, ByteView data) {
  Reader reader(data);
  auto next = TRY(der::read(reader));
  if (next.tag == der::constructed_context(0)) next = TRY(der::read(reader));  // the version
  if (next.tag == der::constructed_context(1)) {
    to.responder_name = TRY(der::read_only(next.value, der::kSequence)).whole;
  } else if (next.tag == der::constructed_context(2)) {
    to.responder_key = TRY(der::read_only(next.value, der::kOctetString)).value;
  } else {
    return malformed();
  }
  to.produced_at = TRY(read_time(reader));
  for (Reader list(TRY(der::read(reader, der::kSequence)).value); !list.empty();) {
    if (to.answers.size() == limits::kMaxOcspAnswers)
      return fail(Fault::peer_misbehaved, Reason::too_large);
    to.answers.push_back(TRY(read_answer(list)));
  }
  if (reader.empty()) return {};
  const auto extensions = TRY(der::read(reader, der::constructed_context(1)));
  return read_nonce(to, extensions.value);
}

Result<> read_basic(Provider& provider, OcspResponse& to, ByteView basic) {
  Reader reader(TRY(der::read_only(basic, der::kSequence)).value);
  const auto tbs = TRY(der::read(reader, der::kSequence));
  const auto algorithm = TRY(der::read(reader, der::kSequence));
  const auto signature = TRY(der::read(reader, der::kBitString));
  if (signature.value.empty() || signature.value[0] != 0) return malformed();
  to.tbs = tbs.whole;
  to.signature = signature.value.subspan(1);
  if (const auto scheme = decode_scheme(algorithm.whole)) to.scheme = *scheme;
  CHECK_OK(read_data(to, tbs.value));
  if (reader.empty()) return {};
  const auto wrapped = TRY(der::read(reader, der::constructed_context(0)));
  for (Reader list(TRY(der::read_only(wrapped.value, der::kSequence)).value); !list.empty();) {
    if (to.certificates.size() == limits::kMaxPathLength)
      return fail(Fault::peer_misbehaved, Reason::too_large);
    const auto certificate = TRY(der::read(list, der::kSequence));
    to.certificates.push_back(TRY(parse_certificate(provider, certificate.whole)));
  }
  return {};
}

bool is_responder(const OcspResponse& response, const Certificate& certificate) {
  if (!certificate.key) return false;
  if (!response.responder_key.empty())
    return equal(response.responder_key, certificate.key->key_id());
  return name_key(response.responder_name) == name_key(certificate.subject);
}

// RFC 6960, 4.2.2.2: issued by the CA itself, for this purpose.
bool is_delegated(Provider& provider, const Certificate& responder, const Certificate& issuer,
                  std::chrono::sys_seconds now) {
  return responder.extended_key_usage && (*responder.extended_key_usage & kOcspSigning) != 0 &&
         responder.unknown_critical.empty() && responder.is_valid_at(now) && responder.scheme &&
         name_key(responder.issuer) == name_key(issuer.subject) &&
         provider.verify(*issuer.key, *responder.scheme, {responder.tbs}, responder.signature);
}

}  // namespace

Result<Bytes> make_ocsp_request(Provider& provider, const Certificate& certificate,
                                const Certificate& issuer, ByteView nonce) {
  using der::octet_string, der::sequence;
  const IssuerHashes hashes = TRY(hashes_of(provider, issuer, Hash::sha1));
  const Bytes algorithm = sequence({der::oid(kHashes[0].oid), der::element(der::kNull, {})});
  const Bytes id = sequence({algorithm, octet_string(ByteView(hashes.name).first(hashes.size)),
                             octet_string(ByteView(hashes.key).first(hashes.size)),
                             der::element(der::kInteger, {certificate.serial})});
  const Bytes list = sequence({sequence({id})});
  Bytes extensions;
  if (!nonce.empty()) {
    const Bytes extension =
        sequence({der::oid(oid::kOcspNonce), octet_string(octet_string(nonce))});
    extensions = der::element(der::constructed_context(2), {sequence({extension})});
  }
  return sequence({sequence({list, extensions})});
}

bool is_about(Provider& provider, const OcspAnswer& answer, const Certificate& issuer) {
  const auto hashes = hashes_of(provider, issuer, answer.hash);
  return hashes && equal(answer.issuer_name_hash, ByteView(hashes->name).first(hashes->size)) &&
         equal(answer.issuer_key_hash, ByteView(hashes->key).first(hashes->size));
}

Result<OcspResponseRef> parse_ocsp_response(Provider& provider, ByteView der) {
  if (der.size() > limits::kMaxOcspSize) return fail(Fault::peer_misbehaved, Reason::too_large);
  auto response = std::make_shared<OcspResponse>();
  response->der = to_bytes(der);
  Reader reader(TRY(der::read_only(response->der, der::kSequence)).value);
  const ByteView status = TRY(der::read(reader, der::kEnumerated)).value;
  if (status.size() != 1) return malformed();
  if (status[0] != 0) return fail(Fault::peer_incompatible, Reason::refused, 0, status[0]);
  const auto wrapped = TRY(der::read(reader, der::constructed_context(0)));
  Reader typed(TRY(der::read_only(wrapped.value, der::kSequence)).value);
  if (as_text(TRY(der::read(typed, der::kOid)).value) != oid::kOcspBasic)
    return fail(Fault::peer_incompatible, Reason::unsupported);
  const auto basic = TRY(der::read(typed, der::kOctetString));
  CHECK_OK(read_basic(provider, *response, basic.value));
  return response;
}

std::string_view ocsp_status_text(std::uint32_t status) {
  constexpr std::string_view kNames[] = {"successful",  "malformedRequest", "internalError",
                                         "tryLater",    "an unknown error", "sigRequired",
                                         "unauthorized"};
  return kNames[status < std::size(kNames) ? status : 4];
}

Result<> verify(Provider& provider, const OcspResponse& response, const Certificate& issuer,
                std::chrono::sys_seconds now, ByteView nonce) {
  if (!response.nonce.empty() && !nonce.empty() && !equal(response.nonce, nonce))
    return fail(Fault::peer_misbehaved, Reason::no_match);
  if (!issuer.key || !response.scheme) return fail(Fault::peer_incompatible, Reason::unsupported);
  const auto signed_by = [&](const Certificate& signer) {
    return provider.verify(*signer.key, *response.scheme, {response.tbs}, response.signature);
  };
  if (is_responder(response, issuer)) return signed_by(issuer);
  for (const CertificateRef& candidate : response.certificates)
    if (is_responder(response, *candidate) && is_delegated(provider, *candidate, issuer, now))
      return signed_by(*candidate);
  return fail(Fault::peer_incompatible, Reason::refused);
}

std::chrono::sys_seconds expiry(const OcspAnswer& answer) {
  return answer.next_update.value_or(answer.this_update + kAnswerLifetime);
}

}  // namespace culvert::pki
