// Diffie-Hellman by libcrypto. MODP and ECP stand on its big numbers and points, which are several
// times as fast as its EVP layer here because groups are prepared once; X25519 and X448 on EVP.
// Invariant: a peer's value takes part in no computation with our secret before its checks passed.
#include "crypto/openssl_key_exchange.h"

#include <openssl/core_names.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>

#include <algorithm>
#include <ranges>

namespace culvert::openssl {
namespace {

using MadeExchange = Result<std::unique_ptr<KeyExchange>>;

std::unexpected<Error> bad_public_value() {
  return failed(Fault::peer_misbehaved, Reason::bad_public_value);
}

Number number_from(ByteView big_endian) {
  return Number(BN_bin2bn(big_endian.data(), int_size(big_endian), nullptr));
}

// ---- MODP: RFC 3526, RFC 7296 appendix B ----

struct ModpRow {
  Ke method;
  BIGNUM* (*prime)(BIGNUM*);
  int exponent_bits;
};
// RFC 3526, 8 lets exponents be short: at least twice the group's strength in bits (also SP 800-56A
// rev. 3, 5.6.1.1: 2 * 112, 128, 152, 176, 200 for 2048 to 8192). That is safe since the primes are
// safe primes: there is no small subgroup to leak the exponent into. Rounded up to whole 64-bit
// words, since constant-time exponentiation takes its time by the word.
constexpr ModpRow kModpRows[] = {
    {Ke::modp768, BN_get_rfc2409_prime_768, 256},   {Ke::modp1024, BN_get_rfc2409_prime_1024, 256},
    {Ke::modp1536, BN_get_rfc3526_prime_1536, 256}, {Ke::modp2048, BN_get_rfc3526_prime_2048, 256},
    {Ke::modp3072, BN_get_rfc3526_prime_3072, 320}, {Ke::modp4096, BN_get_rfc3526_prime_4096, 320},
    {Ke::modp6144, BN_get_rfc3526_prime_6144, 384}, {Ke::modp8192, BN_get_rfc3526_prime_8192, 448},
};

ModpGroup make_modp_group(const ModpRow& row, BN_CTX* scratch) {
  ModpGroup group{row.method, row.exponent_bits, Number(row.prime(nullptr)), Number(BN_new()),
                  Montgomery(BN_MONT_CTX_new())};
  if (!group.prime || !group.prime_minus_1 || !group.montgomery ||
      BN_sub(group.prime_minus_1.get(), group.prime.get(), BN_value_one()) != 1 ||
      BN_MONT_CTX_set(group.montgomery.get(), group.prime.get(), scratch) != 1)
    return {};
  return group;
}

class ModpExchange final : public KeyExchange {
 public:
  static MadeExchange make(const ModpGroup& group, Number exponent, BN_CTX* scratch) {
    if (!exponent) return failed();
    BN_set_flags(exponent.get(), BN_FLG_CONSTTIME);
    auto made = std::make_unique<ModpExchange>(group, std::move(exponent), scratch);
    const Number two(BN_new());
    if (!two || BN_set_word(two.get(), 2) != 1) return failed();
    made->public_value_.resize(static_cast<std::size_t>(BN_num_bytes(group.prime.get())));
    CHECK_OK(made->power(two.get(), made->public_value_));
    return made;
  }
  ModpExchange(const ModpGroup& group, Number exponent, BN_CTX* scratch)
      : group_(group), exponent_(std::move(exponent)), scratch_(scratch) {}

  Ke method() const override { return group_.method; }
  ByteView public_value() const override { return public_value_; }

  Result<SecretBytes> derive(ByteView peer_public_value) override {
    if (peer_public_value.size() != public_value_.size()) return bad_public_value();
    const Number peer = number_from(peer_public_value);
    if (!peer) return failed();
    // RFC 6989, 2.1: 1 < r < p - 1 is all there is to check in a safe-prime group.
    if (BN_is_zero(peer.get()) || BN_is_one(peer.get()) ||
        BN_cmp(peer.get(), group_.prime_minus_1.get()) >= 0)
      return bad_public_value();
    SecretBytes shared(public_value_.size());
    CHECK_OK(power(peer.get(), shared.mutable_view()));
    return shared;
  }

 private:
  // out = base ^ exponent_ mod p, padded to out's size, in time independent of the exponent.
  Result<> power(const BIGNUM* base, MutableBytes out) {
    const Number result(BN_new());
    if (!result ||
        BN_mod_exp_mont_consttime(result.get(), base, exponent_.get(), group_.prime.get(), scratch_,
                                  group_.montgomery.get()) != 1 ||
        BN_bn2binpad(result.get(), out.data(), int_size(out)) != int_size(out))
      return failed();
    return {};
  }

  const ModpGroup& group_;
  Number exponent_;
  BN_CTX* scratch_;
  Bytes public_value_;
};

// ---- ECP: RFC 5903 ----

struct EcpRow {
  Ke method;
  int curve;
};
constexpr EcpRow kEcpRows[] = {
    {Ke::ecp256, NID_X9_62_prime256v1}, {Ke::ecp384, NID_secp384r1}, {Ke::ecp521, NID_secp521r1}};

constexpr std::uint8_t kUncompressed = 4;

class EcpExchange final : public KeyExchange {
 public:
  static MadeExchange make(const EcpGroup& group, Number scalar, BN_CTX* scratch) {
    const EC_GROUP* curve = group.group.get();
    const Point point(EC_POINT_new(curve));
    if (!scalar || !point) return failed();
    BN_set_flags(scalar.get(), BN_FLG_CONSTTIME);
    Bytes encoded(1 + *public_value_size(group.method));
    // A result of another size is the point at infinity, which a scalar in [1, order) never gives.
    if (EC_POINT_mul(curve, point.get(), scalar.get(), nullptr, nullptr, scratch) != 1 ||
        EC_POINT_point2oct(curve, point.get(), POINT_CONVERSION_UNCOMPRESSED, encoded.data(),
                           encoded.size(), scratch) != encoded.size())
      return failed();
    return std::make_unique<EcpExchange>(group, std::move(scalar), std::move(encoded), scratch);
  }
  EcpExchange(const EcpGroup& group, Number scalar, Bytes encoded, BN_CTX* scratch)
      : group_(group),
        scalar_(std::move(scalar)),
        encoded_(std::move(encoded)),
        scratch_(scratch) {}

  Ke method() const override { return group_.method; }
  // RFC 5903, 7: x | y, without the octet that says "uncompressed".
  ByteView public_value() const override { return ByteView(encoded_).subspan(1); }

  Result<SecretBytes> derive(ByteView peer_public_value) override {
    if (peer_public_value.size() != public_value().size()) return bad_public_value();
    const EC_GROUP* curve = group_.group.get();
    const Point peer(EC_POINT_new(curve)), shared(EC_POINT_new(curve));
    const Number x(BN_new());
    if (!peer || !shared || !x) return failed();
    Bytes encoded;
    encoded.reserve(encoded_.size());
    encoded.push_back(kUncompressed);
    append(encoded, peer_public_value);
    // RFC 6989, 2.3: refuses coordinates out of range and points that are not on the curve; with
    // cofactor 1 every other point has the right order.
    if (EC_POINT_oct2point(curve, peer.get(), encoded.data(), encoded.size(), scratch_) != 1)
      return bad_public_value();
    SecretBytes secret(peer_public_value.size() / 2);
    const int size = int_size(secret.view());
    // RFC 5903, 9: the shared secret is the x coordinate alone.
    if (EC_POINT_mul(curve, shared.get(), nullptr, peer.get(), scalar_.get(), scratch_) != 1 ||
        EC_POINT_get_affine_coordinates(curve, shared.get(), x.get(), nullptr, scratch_) != 1 ||
        BN_bn2binpad(x.get(), secret.mutable_view().data(), size) != size)
      return failed();
    return secret;
  }

 private:
  const EcpGroup& group_;
  Number scalar_;
  Bytes encoded_;
  BN_CTX* scratch_;
};

Number random_scalar(const EcpGroup& group) {
  Number scalar(BN_new());
  do {
    if (!scalar || BN_priv_rand_range(scalar.get(), EC_GROUP_get0_order(group.group.get())) != 1)
      return nullptr;
  } while (BN_is_zero(scalar.get()));
  return scalar;
}

// ---- X25519 and X448: RFC 8031 ----

struct XdhRow {
  Ke method;
  const char* name;
};
constexpr XdhRow kXdhRows[] = {{Ke::x25519, "X25519"}, {Ke::x448, "X448"}};

XdhCurve make_xdh_curve(const XdhRow& row) {
  const auto context = [&row](int (*initialise)(EVP_PKEY_CTX*)) {
    PublicKeyContext made(EVP_PKEY_CTX_new_from_name(nullptr, row.name, nullptr));
    if (made && initialise(made.get()) != 1) made.reset();
    return made;
  };
  XdhCurve curve{row.method, row.name, context(EVP_PKEY_keygen_init),
                 context(EVP_PKEY_fromdata_init)};
  if (!curve.generator || !curve.importer) return {};
  return curve;
}

// A key of the curve; with no public value given, libcrypto computes it from the private one.
PublicKey import_key(const XdhCurve& curve, ByteView public_value, ByteView private_value) {
  std::array<OSSL_PARAM, 3> parameters;
  std::size_t count = 0;
  const auto add = [&](const char* name, ByteView value) {
    if (!value.empty())
      parameters[count++] = OSSL_PARAM_construct_octet_string(
          name, const_cast<std::uint8_t*>(value.data()), value.size());
  };
  add(OSSL_PKEY_PARAM_PUB_KEY, public_value);
  add(OSSL_PKEY_PARAM_PRIV_KEY, private_value);
  parameters[count] = OSSL_PARAM_construct_end();
  EVP_PKEY* key = nullptr;
  const int selection = private_value.empty() ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR;
  if (EVP_PKEY_fromdata(curve.importer.get(), &key, selection, parameters.data()) != 1)
    return nullptr;
  return PublicKey(key);
}

// Keeps octets rather than libcrypto's key object, which takes most of a kilobyte.
class XdhExchange final : public KeyExchange {
 public:
  static MadeExchange make(const XdhCurve& curve, const EVP_PKEY* key) {
    if (!key) return failed();
    auto made = std::make_unique<XdhExchange>(curve);
    const std::size_t size = *public_value_size(curve.method);
    std::size_t public_size = size, private_size = size;
    made->private_value_.resize(size);
    made->public_value_.resize(size);
    if (EVP_PKEY_get_raw_public_key(key, made->public_value_.mutable_view().data(), &public_size) !=
            1 ||
        EVP_PKEY_get_raw_private_key(key, made->private_value_.mutable_view().data(),
                                     &private_size) != 1)
      return failed();
    return made;
  }
  explicit XdhExchange(const XdhCurve& curve) : curve_(curve) {}

  Ke method() const override { return curve_.method; }
  ByteView public_value() const override { return public_value_.view(); }

  Result<SecretBytes> derive(ByteView peer_public_value) override {
    if (peer_public_value.size() != public_value_.size()) return bad_public_value();
    const PublicKey ours = import_key(curve_, public_value_.view(), private_value_.view());
    const PublicKey peers = import_key(curve_, peer_public_value, {});
    if (!ours || !peers) return failed();
    const PublicKeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, ours.get(), nullptr));
    if (!context || EVP_PKEY_derive_init(context.get()) != 1 ||
        EVP_PKEY_derive_set_peer_ex(context.get(), peers.get(), 0) != 1)
      return failed();
    SecretBytes secret(public_value_.size());
    std::size_t size = secret.size();
    // RFC 8031, 2: any value of the right length is acceptable unless the result is all-zero, which
    // is the one thing that libcrypto refuses at this point; it is looked at here all the same.
    if (EVP_PKEY_derive(context.get(), secret.mutable_view().data(), &size) != 1)
      return bad_public_value();
    std::uint8_t any_bit = 0;
    for (std::uint8_t octet : secret.view()) any_bit |= octet;
    if (any_bit == 0) return bad_public_value();
    return secret;
  }

 private:
  const XdhCurve& curve_;
  InlineSecret<56> private_value_, public_value_;
};

// The entry for the method, or null where libcrypto lacks it.
template <class Entries>
auto* find(Entries& entries, Ke method) {
  const auto entry = std::ranges::find(entries, method, [](const auto& e) { return e.method; });
  return entry == entries.end() || method == Ke::none ? nullptr : &*entry;
}

}  // namespace

KeyExchangeFactory::KeyExchangeFactory() : scratch_(BN_CTX_new()) {
  if (!scratch_) return;
  for (std::size_t i = 0; i < modp_.size(); ++i)
    modp_[i] = make_modp_group(kModpRows[i], scratch_.get());
  for (std::size_t i = 0; i < ecp_.size(); ++i)
    if (Group group{EC_GROUP_new_by_curve_name(kEcpRows[i].curve)})
      ecp_[i] = {kEcpRows[i].method, std::move(group)};
  for (std::size_t i = 0; i < xdh_.size(); ++i) xdh_[i] = make_xdh_curve(kXdhRows[i]);
  ERR_clear_error();
}

bool KeyExchangeFactory::supports(Ke method) const {
  return find(modp_, method) || find(ecp_, method) || find(xdh_, method);
}

Result<std::unique_ptr<KeyExchange>> KeyExchangeFactory::generate(Ke method) {
  if (const auto* group = find(modp_, method)) {
    Number exponent(BN_new());
    // The top bit is set, so that the exponent's length in words is the same for all.
    if (!exponent || BN_priv_rand(exponent.get(), group->exponent_bits, BN_RAND_TOP_ONE,
                                  BN_RAND_BOTTOM_ANY) != 1)
      return failed();
    return ModpExchange::make(*group, std::move(exponent), scratch_.get());
  }
  if (const auto* group = find(ecp_, method))
    return EcpExchange::make(*group, random_scalar(*group), scratch_.get());
  if (const auto* curve = find(xdh_, method)) {
    EVP_PKEY* generated = nullptr;
    if (EVP_PKEY_generate(curve->generator.get(), &generated) != 1) return failed();
    const PublicKey key(generated);
    return XdhExchange::make(*curve, key.get());
  }
  return unsupported();
}

Result<std::unique_ptr<KeyExchange>> KeyExchangeFactory::from_private(Ke method,
                                                                      ByteView private_value) {
  if (const auto* group = find(modp_, method))
    return ModpExchange::make(*group, number_from(private_value), scratch_.get());
  if (const auto* group = find(ecp_, method))
    return EcpExchange::make(*group, number_from(private_value), scratch_.get());
  if (const auto* curve = find(xdh_, method))
    return XdhExchange::make(*curve, import_key(*curve, {}, private_value).get());
  return unsupported();
}

}  // namespace culvert::openssl
