// The key schedule of IKEv2 (RFC 7296, 2.13 to 2.18), as arithmetic over a Provider's prf.
// Invariant: every intermediate value lives in storage that is zeroised on all paths out.
#include "crypto/ikev2_keys.h"

#include <algorithm>

namespace culvert {
namespace {

std::unexpected<Error> unsupported() { return fail(Fault::local_policy, Reason::unsupported); }

// Hands out consecutive keys from keying material.
class KeyCutter {
 public:
  explicit KeyCutter(ByteView material) : rest_(material) {}
  void next(Key& key, std::size_t size) {
    key.assign(rest_.first(size));
    rest_ = rest_.subspan(size);
  }

 private:
  ByteView rest_;
};

// The seven keys: {SK_d | SK_ai | …} = prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr).
Result<IkeKeys> expand_ike_keys(Provider& provider, const IkeKeyInputs& inputs, ByteView skeyseed) {
  const auto sizes = sizes_of(inputs.cipher);
  const auto prf_octets = prf_size(inputs.prf);
  if (!sizes || !prf_octets) return unsupported();

  std::array<std::uint8_t, 16> spis;
  store_be(spis.data(), inputs.spi_i);
  store_be(spis.data() + 8, inputs.spi_r);
  SecretBytes material(std::size_t{3} * *prf_octets + std::size_t{2} * sizes->integ_key +
                       std::size_t{2} * sizes->key);
  CHECK_OK(prf_plus(provider, inputs.prf, skeyseed, {inputs.nonce_i, inputs.nonce_r, spis},
                    material.mutable_view()));
  IkeKeys keys;
  KeyCutter cut(material.view());
  cut.next(keys.sk_d, *prf_octets);
  cut.next(keys.sk_ai, sizes->integ_key);
  cut.next(keys.sk_ar, sizes->integ_key);
  cut.next(keys.sk_ei, sizes->key);
  cut.next(keys.sk_er, sizes->key);
  cut.next(keys.sk_pi, *prf_octets);
  cut.next(keys.sk_pr, *prf_octets);
  return keys;
}

// The key of SKEYSEED's prf: Ni | Nr, cut to 8 octets each where RFC 7296, 2.14 wants it.
SecretBytes joined_nonces(Prf prf, ByteView nonce_i, ByteView nonce_r) {
  if (prf_has_fixed_key(prf)) {
    nonce_i = nonce_i.first(std::min<std::size_t>(nonce_i.size(), 8));
    nonce_r = nonce_r.first(std::min<std::size_t>(nonce_r.size(), 8));
  }
  SecretBytes joined(nonce_i.size() + nonce_r.size());
  std::ranges::copy(nonce_i, joined.mutable_view().begin());
  std::ranges::copy(nonce_r, joined.mutable_view().subspan(nonce_i.size()).begin());
  return joined;
}

}  // namespace

Result<> prf_plus(Provider& provider, Prf prf, ByteView key, std::initializer_list<ByteView> seed,
                  MutableBytes out) {
  const auto block = prf_size(prf);
  if (!block) return unsupported();
  // The counter is one octet, starts at 1 and may not wrap.
  if (out.size() > 255 * *block) return fail(Fault::internal, Reason::invalid_argument);

  // The seed is joined once: g^ir may be in it, hence secret storage.
  std::size_t seed_size = 0;
  for (ByteView part : seed) seed_size += part.size();
  SecretBytes joined(seed_size);
  auto at = joined.mutable_view().begin();
  for (ByteView part : seed) at = std::ranges::copy(part, at).out;

  // T1 = prf (K, S | 0x01), Tn = prf (K, Tn-1 | S | n): a full block of `out` is the next input.
  ByteView previous;
  for (std::uint8_t counter = 1; !out.empty(); ++counter) {
    const MutableBytes now = out.first(std::min(out.size(), *block));
    CHECK_OK(provider.prf(prf, key, {previous, joined.view(), ByteView(&counter, 1)}, now));
    previous = now;
    out = out.subspan(now.size());
  }
  return {};
}

Result<IkeKeys> derive_ike_keys(Provider& provider, const IkeKeyInputs& inputs) {
  const auto size = prf_size(inputs.prf);
  if (!size) return unsupported();
  const SecretBytes nonces = joined_nonces(inputs.prf, inputs.nonce_i, inputs.nonce_r);
  Key skeyseed;
  skeyseed.resize(*size);
  CHECK_OK(
      provider.prf(inputs.prf, nonces.view(), {inputs.shared_secret}, skeyseed.mutable_view()));
  return expand_ike_keys(provider, inputs, skeyseed.view());
}

Result<IkeKeys> derive_rekeyed_ike_keys(Provider& provider, const IkeKeyInputs& inputs, Prf old_prf,
                                        ByteView old_sk_d) {
  const auto size = prf_size(old_prf);
  if (!size) return unsupported();
  Key skeyseed;
  skeyseed.resize(*size);
  CHECK_OK(provider.prf(old_prf, old_sk_d, {inputs.shared_secret, inputs.nonce_i, inputs.nonce_r},
                        skeyseed.mutable_view()));
  return expand_ike_keys(provider, inputs, skeyseed.view());
}

Result<ChildKeys> derive_child_keys(Provider& provider, const ChildKeyInputs& inputs) {
  const auto sizes = sizes_of(inputs.cipher);
  if (!sizes) return unsupported();
  SecretBytes material(std::size_t{2} * sizes->key + std::size_t{2} * sizes->integ_key);
  CHECK_OK(prf_plus(provider, inputs.prf, inputs.sk_d,
                    {inputs.shared_secret, inputs.nonce_i, inputs.nonce_r},
                    material.mutable_view()));
  ChildKeys keys;
  KeyCutter cut(material.view());
  cut.next(keys.encryption_i, sizes->key);
  cut.next(keys.integrity_i, sizes->integ_key);
  cut.next(keys.encryption_r, sizes->key);
  cut.next(keys.integrity_r, sizes->integ_key);
  return keys;
}

Result<> psk_auth(Provider& provider, Prf prf, ByteView secret, ByteView message, ByteView nonce,
                  ByteView sk_p, ByteView id_body, MutableBytes out) {
  const auto size = prf_size(prf);
  if (!size) return unsupported();
  if (out.size() != *size) return fail(Fault::internal, Reason::invalid_argument);
  Key padded_secret, maced_id;
  padded_secret.resize(*size);
  maced_id.resize(*size);
  CHECK_OK(
      provider.prf(prf, secret, {as_bytes("Key Pad for IKEv2")}, padded_secret.mutable_view()));
  CHECK_OK(provider.prf(prf, sk_p, {id_body}, maced_id.mutable_view()));
  return provider.prf(prf, padded_secret.view(), {message, nonce, maced_id.view()}, out);
}

}  // namespace culvert
