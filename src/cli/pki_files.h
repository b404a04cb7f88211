// What `culvert pki` reads and writes: keys, certificates, requests, CRLs, in PEM or DER. Every
// error is a sentence with the name of the file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "cli/pki_command.h"
#include "crypto/private_key.h"
#include "crypto/provider.h"
#include "pki/crl.h"
#include "pki/issuing.h"

namespace culvert::cli {

struct Input {
  std::string name;  // "'ca.pem'", "standard input"
  SecretBytes octets;
};
// Standard input for an empty name and for "-".
Outcome<Input> read_input(const std::string& path);

// Writes a whole file or none, with mode 0600 when it is secret; refuses to replace one without
// --force.
Outcome<> write_octets(const Output& output, ByteView octets, bool secret);
// In the form that the output asks for.
Outcome<> write_object(const Output& output, std::string_view label, ByteView der);
Outcome<> write_private_key(const Output& output, const PrivateKey& key,
                            const std::string& password_file);

// The first line of a file.
Outcome<SecretBytes> load_password(const std::string& password_file);
// Without echo, from the terminal that the process has, so that standard input may be a file. None:
// there is no terminal. `name` is what the password is of.
std::optional<SecretBytes> ask_password(const std::string& name);
// The password of an encrypted key comes from the file, or from the terminal.
Outcome<PrivateKey> load_private_key(const std::string& path, const std::string& password_file);
Outcome<std::vector<pki::CertificateRef>> load_certificates(const std::string& path);
Outcome<pki::CertificateRef> load_certificate(const std::string& path);  // the first one
Outcome<pki::RequestContents> load_request(const std::string& path);
Outcome<pki::CrlRef> crl_in(const Input& input);
Outcome<pki::CrlRef> load_crl(const std::string& path);
// A CRL that this CA has signed.
Outcome<pki::CrlRef> load_crl_of(const std::string& path, const pki::Certificate& ca);
Bytes serial_of(const pki::Crl& crl, const pki::Crl::Entry& entry);  // without leading zeros
Bytes serial_of(const pki::Certificate& certificate);

// What a public key can be taken from.
enum class Holder : std::uint8_t { private_key, public_key, certificate, request, crl };
// The --type of a command: "auto" finds out.
Outcome<Holder> holder_of(const Input& input, const std::string& type);
Outcome<PublicKeyRef> public_key_in(const Input& input, Holder holder,
                                    const std::string& password_file);
Outcome<std::vector<pki::CertificateRef>> certificates_in(const Input& input);
Outcome<pki::RequestContents> request_in(const Input& input);
Outcome<PrivateKey> private_key_in(const Input& input, const std::string& password_file);

Outcome<PublicKeyRef> public_half(const PrivateKey& key);

// Where a key is taken from: --in, --type and, for private keys, --password-file.
struct KeySource {
  std::string path, type = "auto", password_file;
};
void add_key_source(CLI::App* command, KeySource& source);

// How this key signs.
Outcome<SignatureScheme> scheme_for(KeyKind kind, const SigningChoice& choice);

// A CA that is asked to sign.
struct Authority {
  pki::CertificateRef certificate;
  PrivateKey key;
  SignatureScheme scheme;
  pki::Issuer issuer() const;
};
struct AuthorityFiles {
  std::string certificate, key;
};
void add_authority(CLI::App* command, AuthorityFiles& files);
// Checks that the key is the certificate's.
Outcome<Authority> load_authority(const AuthorityFiles& files, const std::string& password_file,
                                  const SigningChoice& signing);
void add_password_file(CLI::App* command, std::string& password_file);

// "0a1b2c" or "0a:1b:2c", as numbers are printed.
Outcome<Bytes> parse_serial(const std::string& hex);

}  // namespace culvert::cli
