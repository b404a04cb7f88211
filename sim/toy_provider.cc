#include "sim/toy_provider.h"

#include <algorithm>

namespace culvert::sim {
namespace {

// Diffie-Hellman in the integers modulo the Mersenne prime 2^61 - 1.
constexpr std::uint64_t kPrime = (std::uint64_t{1} << 61) - 1;
constexpr std::uint64_t kGenerator = 37;
constexpr std::size_t kSharedSecretSize = 32;
constexpr std::size_t kToySignatureSize = 64;
constexpr std::string_view kKeyPad = "Key Pad for IKEv2";

std::uint64_t multiply(std::uint64_t a, std::uint64_t b) {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(a) * b % kPrime);
}
std::uint64_t power(std::uint64_t base, std::uint64_t exponent) {
  std::uint64_t result = 1;
  for (; exponent != 0; exponent >>= 1, base = multiply(base, base))
    if (exponent & 1) result = multiply(result, base);
  return result;
}

// Eight octets of value, then octets that follow from it, up to the method's real size.
Bytes public_octets(Ke method, std::uint64_t value) {
  Bytes octets(*public_value_size(method));
  store_be(octets.data(), value);
  ToyHash filler(static_cast<std::uint64_t>(method));
  filler.add(value);
  filler.squeeze(MutableBytes(octets).subspan(8));
  return octets;
}

class ToyKeyExchange final : public KeyExchange {
 public:
  ToyKeyExchange(Ke method, std::uint64_t exponent)
      : method_(method),
        exponent_(exponent),
        public_(public_octets(method, power(kGenerator, exponent))) {}

  Ke method() const override { return method_; }
  ByteView public_value() const override { return public_; }
  Result<SecretBytes> derive(ByteView peer) override {
    const auto bad = fail(Fault::peer_misbehaved, Reason::bad_public_value);
    if (peer.size() != public_.size()) return bad;
    const auto value = load_be<std::uint64_t>(peer.data());
    if (value < 2 || value >= kPrime - 1 || !equal(peer, public_octets(method_, value))) return bad;
    ToyHash hash(static_cast<std::uint64_t>(method_));
    hash.add(power(value, exponent_));
    SecretBytes secret(kSharedSecretSize);
    hash.squeeze(secret.mutable_view());
    return secret;
  }

 private:
  Ke method_;
  std::uint64_t exponent_;
  Bytes public_;
};

class ToyPublicKey final : public PublicKey {
 public:
  using PublicKey::Ids;
  ToyPublicKey(const PublicKeyFields& fields, ByteView spki, const Ids& ids)
      : PublicKey(fields, spki, ids) {}
};

void apply_stream(const Provider::Operands& operands, MutableBytes data) {
  ToyHash hash(1);
  hash.add(operands.encryption_key);
  hash.add(operands.iv);
  Random stream(hash.value());
  for (std::uint8_t& octet : data) octet ^= static_cast<std::uint8_t>(stream.next() >> 56);
}

void compute_tag(const Provider::Operands& operands, ByteView ciphertext, MutableBytes out) {
  ToyHash hash(2);
  for (const ByteView part : {operands.encryption_key, operands.integrity_key, operands.iv,
                              operands.aad, operands.suffix, ciphertext}) {
    hash.add(part);
    hash.add(part.size());
  }
  hash.squeeze(out);
}

Result<CipherSizes> check(const CipherSpec& spec, const Provider::Operands& operands,
                          std::size_t icv_size) {
  const auto sizes = sizes_of(spec);
  if (!sizes || operands.encryption_key.size() != sizes->key ||
      operands.integrity_key.size() != sizes->integ_key || operands.iv.size() != sizes->iv ||
      icv_size != sizes->icv)
    return fail(Fault::internal, Reason::invalid_argument);
  return *sizes;
}

}  // namespace

Result<> ToyProvider::prf(Prf prf, ByteView key, std::initializer_list<ByteView> parts,
                          MutableBytes out) {
  const auto size = prf_size(prf);
  if (!size || out.size() > *size) return fail(Fault::internal, Reason::unsupported);
  const bool of_secret =
      parts.size() == 1 && equal(*parts.begin(), as_bytes(kKeyPad));  // RFC 7296, 2.15
  ToyHash hash(static_cast<std::uint64_t>(prf) + 16);
  if (!(faults_.ignore_secret && of_secret)) hash.add(key);
  hash.add(std::uint64_t{0x5bd1e995});
  // One run over the concatenation, however it is cut.
  Bytes whole;
  for (const ByteView part : parts) append(whole, part);
  hash.add(whole);
  hash.squeeze(out);
  return {};
}

Result<> ToyProvider::hash(Hash hash, std::initializer_list<ByteView> parts, MutableBytes out) {
  ToyHash toy(static_cast<std::uint64_t>(hash) + 64);
  Bytes whole;
  for (const ByteView part : parts) append(whole, part);
  toy.add(whole);
  toy.squeeze(out);
  return {};
}

Result<> ToyProvider::aes128_block(ByteView key, ByteView block, MutableBytes out) {
  ToyHash toy(4);
  toy.add(key);
  toy.add(block);
  toy.squeeze(out);
  return {};
}

Result<std::unique_ptr<KeyExchange>> ToyProvider::generate(Ke method) {
  if (!supports(method)) return fail(Fault::internal, Reason::unsupported);
  return std::make_unique<ToyKeyExchange>(method, random_.between(2, kPrime - 3));
}

Result<PublicKeyRef> ToyProvider::load_public_key(ByteView spki) {
  const PublicKeyFields fields = TRY(parse_public_key(spki));
  ToyPublicKey::Ids ids;
  CHECK_OK(hash(Hash::sha1, {fields.subject_public_key}, ids.key_id));
  CHECK_OK(hash(Hash::sha1, {spki}, ids.spki_hash));
  return std::make_shared<const ToyPublicKey>(fields, spki, ids);
}

Bytes toy_signature(ByteView spki, const SignatureScheme& scheme,
                    std::initializer_list<ByteView> parts) {
  ToyHash hash(3);
  Bytes whole = encode_scheme(scheme);
  append(whole, spki);
  for (const ByteView part : parts) append(whole, part);
  hash.add(whole);
  Bytes signature(kToySignatureSize);
  hash.squeeze(signature);
  return signature;
}

Result<> ToyProvider::verify(const PublicKey& key, const SignatureScheme& scheme,
                             std::initializer_list<ByteView> parts, ByteView signature) {
  const bool right = equal(signature, toy_signature(key.spki(), scheme, parts));
  if (!suits(scheme, key.kind()) || !right)
    return fail(Fault::peer_misbehaved, Reason::bad_integrity);
  return {};
}

Result<> ToyProvider::seal(const CipherSpec& spec, const Operands& operands, MutableBytes data,
                           MutableBytes icv) {
  CHECK_OK(check(spec, operands, icv.size()));
  Bytes plaintext;
  if (on_seal) plaintext = to_bytes(data);
  apply_stream(operands, data);
  compute_tag(operands, data, icv);
  if (on_seal) on_seal({operands, plaintext, icv});
  return {};
}

Result<> ToyProvider::open(const CipherSpec& spec, const Operands& operands, MutableBytes data,
                           ByteView icv) {
  CHECK_OK(check(spec, operands, icv.size()));
  Bytes tag(icv.size());
  compute_tag(operands, data, tag);
  if (!faults_.accept_any_tag && !equal(tag, icv))
    return fail(Fault::peer_misbehaved, Reason::bad_integrity);
  apply_stream(operands, data);
  return {};
}

}  // namespace culvert::sim
