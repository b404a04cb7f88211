// Owns the making of PKCS#12 files, by libcrypto.
#include "pki/pkcs12_issuing.h"

#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "crypto/openssl_handles.h"

namespace culvert::pki {
namespace {

using X509Certificate = openssl::Handle<X509, X509_free>;
using Pkcs12File = openssl::Handle<PKCS12, PKCS12_free>;
struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_pop_free(stack, X509_free); }
};
using Certificates = std::unique_ptr<STACK_OF(X509), FreeStack>;

constexpr int kIterations =
    100'000;  // of both key derivations: a second's work is too much for a phone

X509Certificate parse(ByteView der) {
  const std::uint8_t* at = der.data();
  return X509Certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}

}  // namespace

Result<SecretBytes> make_pkcs12(const Pkcs12Contents& contents, std::string_view password,
                                Pkcs12Form form) {
  if (contents.chain.empty()) return openssl::invalid_argument();
  const X509Certificate own = parse(contents.chain.front());
  const Certificates others(sk_X509_new_null());
  if (!own || !others) return openssl::failed(Fault::local_policy, Reason::invalid_argument);
  for (std::size_t i = 1; i < contents.chain.size(); ++i) {
    X509Certificate other = parse(contents.chain[i]);
    if (!other || sk_X509_push(others.get(), other.get()) == 0)
      return openssl::failed(Fault::local_policy, Reason::invalid_argument);
    static_cast<void>(other.release());  // the stack's now
  }
  const bool legacy = form == Pkcs12Form::legacy;
  const int cipher = legacy ? NID_pbe_WithSHA1And3_Key_TripleDES_CBC : NID_aes_256_cbc;
  SecretBytes text(password.size() + 1);  // with the zero octet that libcrypto looks for
  std::ranges::copy(password, text.mutable_view().begin());
  const char* const secret = as_text(text.view()).data();
  const Pkcs12File file(PKCS12_create(
      secret, contents.name.empty() ? nullptr : contents.name.c_str(), contents.key.native(),
      own.get(), others.get(), cipher, cipher, kIterations, -1, 0));
  if (!file) return openssl::failed();
  const EVP_MD* const mac = legacy ? EVP_sha1() : EVP_sha256();
  if (PKCS12_set_mac(file.get(), secret, -1, nullptr, 0, kIterations, mac) != 1)
    return openssl::failed();
  const int size = i2d_PKCS12(file.get(), nullptr);
  if (size <= 0) return openssl::failed();
  SecretBytes out(static_cast<std::size_t>(size));
  std::uint8_t* at = out.mutable_view().data();
  i2d_PKCS12(file.get(), &at);
  return out;
}

}  // namespace culvert::pki
