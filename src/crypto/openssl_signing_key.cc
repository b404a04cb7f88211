// The provider "culvert" (provider-keymgmt(7), provider-signature(7)). Keys cannot be exported, and
// so libcrypto signs with them through this provider alone. Everything about the public half is
// asked of the default provider.
#include "crypto/openssl_signing_key.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>

#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "crypto/openssl_fiber.h"

namespace culvert::openssl {
namespace {

constexpr const char* kOurProperties = "provider=culvert";
constexpr const char* kReference = "culvert-key";  // the parameter that hands a Key in

struct Key {
  PublicKey public_half;
  tls::Signer sign;
  bool can_sign = false;
};

enum class Family : std::uint8_t { rsa, ec, ed25519, ed448 };

// One signature in the making.
struct Operation {
  const Key* key = nullptr;
  Family family = Family::rsa;
  std::string hash;
  bool pss = false;
};

Key* key_from(void* data) { return static_cast<Key*>(data); }

// ---- keys ----

void* key_new(void*) { return new (std::nothrow) Key; }
void key_free(void* data) { delete key_from(data); }

int key_has(const void* data, int selection) {
  const Key* key = static_cast<const Key*>(data);
  if (key->public_half == nullptr) return 0;
  if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0) return key->can_sign;
  return 1;
}

// libssl compares a certificate's key with ours.
int key_match(const void* left, const void* right, int) {
  const Key* a = static_cast<const Key*>(left);
  const Key* b = static_cast<const Key*>(right);
  return a->public_half != nullptr && b->public_half != nullptr &&
         EVP_PKEY_eq(a->public_half.get(), b->public_half.get()) == 1;
}

template <const char* const& Name>
int key_import(void* data, int selection, const OSSL_PARAM params[]) {
  Key* key = key_from(data);
  if (const OSSL_PARAM* reference = OSSL_PARAM_locate_const(params, kReference)) {
    const void* from = nullptr;
    std::size_t size = 0;
    if (OSSL_PARAM_get_octet_ptr(reference, &from, &size) != 1 || size != sizeof(Key)) return 0;
    const Key* other = static_cast<const Key*>(from);
    if (EVP_PKEY_up_ref(other->public_half.get()) != 1) return 0;
    key->public_half.reset(other->public_half.get());
    key->sign = other->sign;
    key->can_sign = true;
    return 1;
  }
  const PublicKeyContext context(
      EVP_PKEY_CTX_new_from_name(tls_library(), Name, "provider=default"));
  EVP_PKEY* made = nullptr;
  if (context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, selection & EVP_PKEY_PUBLIC_KEY,
                        const_cast<OSSL_PARAM*>(params)) != 1)
    return 0;
  key->public_half.reset(made);
  return 1;
}

const OSSL_PARAM* key_import_types(int) {
  static const std::array<OSSL_PARAM, 8> types{{
      {kReference, OSSL_PARAM_OCTET_PTR, nullptr, 0, 0},
      {OSSL_PKEY_PARAM_RSA_N, OSSL_PARAM_UNSIGNED_INTEGER, nullptr, 0, 0},
      {OSSL_PKEY_PARAM_RSA_E, OSSL_PARAM_UNSIGNED_INTEGER, nullptr, 0, 0},
      {OSSL_PKEY_PARAM_GROUP_NAME, OSSL_PARAM_UTF8_STRING, nullptr, 0, 0},
      {OSSL_PKEY_PARAM_PUB_KEY, OSSL_PARAM_OCTET_STRING, nullptr, 0, 0},
      {nullptr, 0, nullptr, 0, 0},
  }};
  return types.data();
}

int key_get_params(void* data, OSSL_PARAM params[]) {
  return EVP_PKEY_get_params(key_from(data)->public_half.get(), params);
}

const OSSL_PARAM* key_gettable_params(void*) {
  static const std::array<OSSL_PARAM, 6> names{{
      {OSSL_PKEY_PARAM_BITS, OSSL_PARAM_INTEGER, nullptr, 0, 0},
      {OSSL_PKEY_PARAM_SECURITY_BITS, OSSL_PARAM_INTEGER, nullptr, 0, 0},
      {OSSL_PKEY_PARAM_MAX_SIZE, OSSL_PARAM_INTEGER, nullptr, 0, 0},
      {OSSL_PKEY_PARAM_GROUP_NAME, OSSL_PARAM_UTF8_STRING, nullptr, 0, 0},
      {OSSL_PKEY_PARAM_DEFAULT_DIGEST, OSSL_PARAM_UTF8_STRING, nullptr, 0, 0},
      {nullptr, 0, nullptr, 0, 0},
  }};
  return names.data();
}

const char* ec_operation_name(int) { return "ECDSA"; }

// ---- signatures ----

template <Family F>
void* operation_new(void*, const char*) {
  auto* operation = new (std::nothrow) Operation;
  if (operation != nullptr) operation->family = F;
  return operation;
}
void operation_free(void* data) { delete static_cast<Operation*>(data); }

int operation_set_params(void* data, const OSSL_PARAM params[]) {
  auto* operation = static_cast<Operation*>(data);
  const OSSL_PARAM* mode = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
  if (mode == nullptr) return 1;
  if (mode->data_type == OSSL_PARAM_INTEGER) {
    int number = 0;
    if (OSSL_PARAM_get_int(mode, &number) != 1) return 0;
    operation->pss = number == RSA_PKCS1_PSS_PADDING;
    return 1;
  }
  const char* name = nullptr;
  if (OSSL_PARAM_get_utf8_string_ptr(mode, &name) != 1) return 0;
  operation->pss = std::strcmp(name, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0;
  return 1;
}

const OSSL_PARAM* operation_settable_params(void*, void*) {
  static const std::array<OSSL_PARAM, 3> names{{
      {OSSL_SIGNATURE_PARAM_PAD_MODE, OSSL_PARAM_UTF8_STRING, nullptr, 0, 0},
      {OSSL_SIGNATURE_PARAM_PSS_SALTLEN, OSSL_PARAM_UTF8_STRING, nullptr, 0, 0},
      {nullptr, 0, nullptr, 0, 0},
  }};
  return names.data();
}

int sign_init(void* data, const char* hash, void* key, const OSSL_PARAM params[]) {
  auto* operation = static_cast<Operation*>(data);
  if (key != nullptr) operation->key = key_from(key);
  operation->hash = hash == nullptr ? "" : hash;
  return operation->key != nullptr && operation->key->can_sign &&
         (params == nullptr || operation_set_params(data, params) == 1);
}

std::optional<SignatureScheme> scheme_of(const Operation& operation) {
  if (operation.family == Family::ed25519) return SignatureScheme{SignatureKind::ed25519};
  if (operation.family == Family::ed448) return SignatureScheme{SignatureKind::ed448};
  constexpr std::pair<std::string_view, Hash> kHashes[] = {
      {"SHA2-256", Hash::sha2_256}, {"SHA2-384", Hash::sha2_384}, {"SHA2-512", Hash::sha2_512},
      {"SHA256", Hash::sha2_256},   {"SHA384", Hash::sha2_384},   {"SHA512", Hash::sha2_512}};
  for (const auto& [name, hash] : kHashes) {
    if (name != operation.hash) continue;
    if (operation.family == Family::ec) return SignatureScheme{SignatureKind::ecdsa, hash};
    return operation.pss ? rsa_pss(hash) : SignatureScheme{SignatureKind::rsa_pkcs1, hash};
  }
  return std::nullopt;
}

Result<Bytes> make_signature(const Key& key, const SignatureScheme& scheme, ByteView message) {
  if (key.sign != nullptr) return key.sign(scheme, message);
  const Fiber* fiber = Fiber::current();
  return fiber == nullptr ? failed() : fiber->signer()(scheme, message);
}

int sign(void* data, unsigned char* out, std::size_t* size, std::size_t capacity,
         const unsigned char* message, std::size_t message_size) {
  const auto* operation = static_cast<const Operation*>(data);
  if (out == nullptr) {
    const int most = EVP_PKEY_get_size(operation->key->public_half.get());
    *size = most > 0 ? static_cast<std::size_t>(most) : 0;
    return most > 0;
  }
  const auto scheme = scheme_of(*operation);
  if (!scheme) return 0;
  const auto signature = make_signature(*operation->key, *scheme, ByteView(message, message_size));
  if (!signature || signature->empty() || signature->size() > capacity) {
    ERR_raise(ERR_LIB_USER, kSignerRefused);
    return 0;
  }
  std::memcpy(out, signature->data(), signature->size());
  *size = signature->size();
  return 1;
}

// ---- the tables ----

template <class F>
OSSL_DISPATCH entry(int id, F* function) {
  return {id, reinterpret_cast<void (*)()>(function)};
}

constexpr const char* kRsa = "RSA";
constexpr const char* kEc = "EC";
constexpr const char* kEd25519 = "ED25519";
constexpr const char* kEd448 = "ED448";

template <const char* const& Name>
const OSSL_DISPATCH* key_functions(bool ec = false) {
  static const std::array<OSSL_DISPATCH, 10> table{
      entry(OSSL_FUNC_KEYMGMT_NEW, key_new),
      entry(OSSL_FUNC_KEYMGMT_FREE, key_free),
      entry(OSSL_FUNC_KEYMGMT_HAS, key_has),
      entry(OSSL_FUNC_KEYMGMT_MATCH, key_match),
      entry(OSSL_FUNC_KEYMGMT_IMPORT, key_import<Name>),
      entry(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_import_types),
      entry(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params),
      entry(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable_params),
      ec ? entry(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, ec_operation_name) : OSSL_DISPATCH{},
      OSSL_DISPATCH{}};
  return table.data();
}

template <Family F>
const OSSL_DISPATCH* signature_functions() {
  static const std::array<OSSL_DISPATCH, 7> table{
      entry(OSSL_FUNC_SIGNATURE_NEWCTX, operation_new<F>),
      entry(OSSL_FUNC_SIGNATURE_FREECTX, operation_free),
      entry(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, sign_init),
      entry(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, sign),
      entry(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, operation_set_params),
      entry(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, operation_settable_params),
      OSSL_DISPATCH{}};
  return table.data();
}

const OSSL_ALGORITHM* query(void*, int operation, int* no_cache) {
  static const std::array<OSSL_ALGORITHM, 5> keys{{
      {kRsa, kOurProperties, key_functions<kRsa>(), nullptr},
      {kEc, kOurProperties, key_functions<kEc>(true), nullptr},
      {kEd25519, kOurProperties, key_functions<kEd25519>(), nullptr},
      {kEd448, kOurProperties, key_functions<kEd448>(), nullptr},
      {nullptr, nullptr, nullptr, nullptr},
  }};
  static const std::array<OSSL_ALGORITHM, 5> signatures{{
      {kRsa, kOurProperties, signature_functions<Family::rsa>(), nullptr},
      {"ECDSA", kOurProperties, signature_functions<Family::ec>(), nullptr},
      {kEd25519, kOurProperties, signature_functions<Family::ed25519>(), nullptr},
      {kEd448, kOurProperties, signature_functions<Family::ed448>(), nullptr},
      {nullptr, nullptr, nullptr, nullptr},
  }};
  *no_cache = 0;
  if (operation == OSSL_OP_KEYMGMT) return keys.data();
  if (operation == OSSL_OP_SIGNATURE) return signatures.data();
  return nullptr;
}

int initialise(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH*, const OSSL_DISPATCH** out,
               void** context) {
  static const std::array<OSSL_DISPATCH, 2> table{entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
                                                  OSSL_DISPATCH{}};
  *out = table.data();
  *context = const_cast<OSSL_CORE_HANDLE*>(handle);
  return 1;
}

OSSL_LIB_CTX* load_library() {
  Handle<OSSL_LIB_CTX, OSSL_LIB_CTX_free> library(OSSL_LIB_CTX_new());
  if (library == nullptr || OSSL_PROVIDER_load(library.get(), "default") == nullptr ||
      OSSL_PROVIDER_add_builtin(library.get(), "culvert", initialise) != 1 ||
      OSSL_PROVIDER_load(library.get(), "culvert") == nullptr) {
    ERR_clear_error();
    return nullptr;
  }
  return library.release();  // for the life of the process, as libcrypto's default context
}

}  // namespace

OSSL_LIB_CTX* tls_library() {
  static OSSL_LIB_CTX* const library = load_library();
  return library;
}

Result<PublicKey> make_signing_key(EVP_PKEY* public_key, tls::Signer sign) {
  if (tls_library() == nullptr) return failed();
  const char* type = EVP_PKEY_get0_type_name(public_key);
  if (type == nullptr || EVP_PKEY_up_ref(public_key) != 1) return failed();
  const Key key{.public_half = PublicKey(public_key), .sign = std::move(sign)};
  const void* reference = &key;
  std::array<OSSL_PARAM, 2> params{
      OSSL_PARAM_construct_octet_ptr(kReference, const_cast<void**>(&reference), sizeof(Key)),
      OSSL_PARAM_construct_end()};
  const PublicKeyContext context(EVP_PKEY_CTX_new_from_name(tls_library(), type, kOurProperties));
  EVP_PKEY* made = nullptr;
  if (context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_KEYPAIR, params.data()) != 1)
    return failed(Fault::local_policy, Reason::unsupported);
  return PublicKey(made);
}

}  // namespace culvert::openssl
