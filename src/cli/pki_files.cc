// Owns the files of `culvert pki`.
// Invariant: a file that is written appears whole under its name, or not at all.
#include "cli/pki_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <span>
#include <system_error>

#include "base/limits.h"
#include "config/file.h"
#include "config/table_reader.h"
#include "crypto/openssl_provider.h"
#include "crypto/pem.h"

namespace culvert::cli {
namespace {

constexpr std::size_t kMaxSerialDigits = 40;  // RFC 5280, 4.1.2.2: 20 octets

std::string system_message() { return std::system_category().message(errno); }

Outcome<SecretBytes> read_standard_input() {
  SecretBytes all;
  std::array<std::uint8_t, 16'384> some;
  for (;;) {
    const ssize_t count = read(STDIN_FILENO, some.data(), some.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      return std::unexpected(fmt::format("cannot read standard input: {}", system_message()));
    if (count == 0) break;
    const std::size_t size = static_cast<std::size_t>(count);
    if (all.size() + size > limits::kMaxPemSize)
      return std::unexpected("standard input is too long to be a key or a certificate");
    SecretBytes longer(all.size() + size);
    std::ranges::copy(all.view(), longer.mutable_view().begin());
    std::copy_n(some.begin(), size, longer.mutable_view().begin() + all.view().size());
    all = std::move(longer);
  }
  secure_zero(some);
  return all;
}

bool write_all(int file, ByteView octets) {
  while (!octets.empty()) {
    const ssize_t count = write(file, octets.data(), octets.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    octets = octets.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

std::unexpected<std::string> cannot_write(const std::string& name) {
  return std::unexpected(fmt::format("cannot write {}: {}", name, system_message()));
}

// A file beside the one that is wanted; gone unless it was put in place.
class NewFile {
 public:
  NewFile(const std::string& path, mode_t mode) : name_(path + ".XXXXXX") {
    file_ = mkostemp(name_.data(), O_CLOEXEC);
    if (file_ >= 0 && fchmod(file_, mode) != 0) abandon();
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile() { abandon(); }

  bool write(ByteView octets) {
    return file_ >= 0 && write_all(file_, octets) && fsync(file_) == 0;
  }
  bool put_in_place(const std::string& path, bool replace) {
    const int done = replace ? rename(name_.c_str(), path.c_str())
                             : link(name_.c_str(), path.c_str());  // fails where there is a file
    return done == 0;
  }

 private:
  void abandon() {
    if (file_ < 0) return;
    const int error = errno;
    unlink(name_.c_str());
    close(std::exchange(file_, -1));
    errno = error;
  }
  std::string name_;
  int file_ = -1;
};

std::string_view reason_of(const Error& error) {
  switch (error.reason) {
    case Reason::unsupported:
      return "an algorithm or a parameter that is not supported";
    case Reason::too_large:
      return "it is too large";
    case Reason::bad_integrity:
      return "its signature does not verify";
    case Reason::bad_public_value:
      return "its public key is not on the curve";
    default:
      return "it is malformed";
  }
}

Bytes without_zeros(ByteView number) {
  while (!number.empty() && number.front() == 0) number = number.subspan(1);
  return to_bytes(number);
}

std::unexpected<std::string> is_no(const Input& input, std::string_view what, const Error& error) {
  return std::unexpected(
      fmt::format("{} has no {} that can be used: {}", input.name, what, reason_of(error)));
}

// The labels of PEM; the first one is what we write.
using Labels = std::span<const std::string_view>;
constexpr std::string_view kCertificate[] = {"CERTIFICATE", "X509 CERTIFICATE",
                                             "TRUSTED CERTIFICATE"};
constexpr std::string_view kRequest[] = {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"};
constexpr std::string_view kPublicKey[] = {"PUBLIC KEY"};
constexpr std::string_view kCrl[] = {"X509 CRL"};

// The DER of those objects that bear one of the labels, or of the input as it is when it is not
// PEM.
Outcome<std::vector<Bytes>> objects_in(const Input& input, Labels labels) {
  if (!is_pem(input.octets.view())) return std::vector<Bytes>{to_bytes(input.octets.view())};
  auto blocks = read_pem(as_text(input.octets.view()));
  if (!blocks) return is_no(input, "PEM", blocks.error());
  std::vector<Bytes> found;
  for (PemBlock& block : *blocks)
    if (std::ranges::find(labels, block.label) != labels.end())
      found.push_back(std::move(block.der));
  if (found.empty())
    return std::unexpected(fmt::format("{} has no {}", input.name, labels.front()));
  return found;
}

Holder holder_in_pem(const Input& input) {
  const auto blocks = read_pem(as_text(input.octets.view()));
  const auto has = [&](Labels labels) {
    return blocks && std::ranges::any_of(*blocks, [labels](const PemBlock& block) {
             return std::ranges::find(labels, block.label) != labels.end();
           });
  };
  if (as_text(input.octets.view()).contains("PRIVATE KEY-----")) return Holder::private_key;
  if (has(kRequest)) return Holder::request;
  if (has(kCertificate)) return Holder::certificate;
  return has(kCrl) ? Holder::crl : Holder::public_key;
}

Holder holder_in_der(const Input& input) {
  const auto provider = make_openssl_provider();
  const ByteView der = input.octets.view();
  if (provider->load_public_key(der)) return Holder::public_key;
  if (pki::parse_certificate(*provider, der)) return Holder::certificate;
  if (pki::read_request(der)) return Holder::request;
  return pki::parse_crl(*provider, der) ? Holder::crl : Holder::private_key;
}

}  // namespace

Outcome<Input> read_input(const std::string& path) {
  if (path.empty() || path == "-") return Input{"standard input", TRY(read_standard_input())};
  auto contents = TRY(config::read_file(path, limits::kMaxPemSize));
  return Input{config::in_quotes(path), std::move(contents.octets)};
}

Outcome<> write_octets(const Output& output, ByteView octets, bool secret) {
  if (output.path.empty()) {
    if (output.form == "der" && isatty(STDOUT_FILENO) == 1)
      return std::unexpected("DER is not for a terminal: give --out FILE or --outform pem");
    if (!write_all(STDOUT_FILENO, octets)) return cannot_write("standard output");
    return {};
  }
  const std::string name = config::in_quotes(output.path);
  NewFile file(output.path, secret ? 0600 : 0644);
  if (!file.write(octets)) return cannot_write(name);
  if (file.put_in_place(output.path, output.force)) return {};
  if (errno == EEXIST)
    return std::unexpected(fmt::format("{} exists: give --force to replace it", name));
  return cannot_write(name);
}

Outcome<> write_object(const Output& output, std::string_view label, ByteView der) {
  if (output.form == "der") return write_octets(output, der, false);
  return write_octets(output, as_bytes(write_pem(label, der)), false);
}

Outcome<> write_private_key(const Output& output, const PrivateKey& key,
                            const std::string& password_file) {
  SecretBytes password;
  if (!password_file.empty()) password = TRY(load_password(password_file));
  const std::string_view text = as_text(password.view());
  const auto octets = output.form == "der" ? key.to_pkcs8(text) : key.to_pem(text);
  if (!octets) return std::unexpected("the private key could not be encoded");
  return write_octets(output, octets->view(), true);
}

Outcome<SecretBytes> load_password(const std::string& password_file) {
  const Input input = TRY(read_input(password_file));
  const std::string_view text = as_text(input.octets.view());
  const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
  if (line.empty()) return std::unexpected(fmt::format("{} holds no password", input.name));
  return SecretBytes(as_bytes(line));
}

std::optional<SecretBytes> ask_password(const std::string& name) {
  if (isatty(STDERR_FILENO) != 1) return std::nullopt;
  char* typed = getpass(fmt::format("Password of {}: ", name).c_str());
  if (typed == nullptr) return std::nullopt;
  SecretBytes password(as_bytes(typed));
  secure_zero({reinterpret_cast<std::uint8_t*>(typed), std::strlen(typed)});
  return password;
}

Outcome<PrivateKey> private_key_in(const Input& input, const std::string& password_file) {
  auto key = PrivateKey::load(input.octets.view());
  if (!key && key.error() == KeyFileProblem::password_needed) {
    std::optional<SecretBytes> password;
    if (!password_file.empty())
      password = TRY(load_password(password_file));
    else
      password = ask_password(input.name);
    if (password) key = PrivateKey::load(input.octets.view(), as_text(password->view()));
  }
  if (key) return std::move(*key);
  const bool ask = key.error() == KeyFileProblem::password_needed;
  return std::unexpected(fmt::format("{} {}{}", input.name, describe(key.error()),
                                     ask ? ": give --password-file" : ""));
}

Outcome<PrivateKey> load_private_key(const std::string& path, const std::string& password_file) {
  return private_key_in(TRY(read_input(path)), password_file);
}

Outcome<std::vector<pki::CertificateRef>> certificates_in(const Input& input) {
  auto certificates = pki::read_certificates(*make_openssl_provider(), input.octets.view());
  if (!certificates) return is_no(input, "certificate", certificates.error());
  return std::move(*certificates);
}

Outcome<std::vector<pki::CertificateRef>> load_certificates(const std::string& path) {
  return certificates_in(TRY(read_input(path)));
}

Outcome<pki::CertificateRef> load_certificate(const std::string& path) {
  return TRY(load_certificates(path)).front();
}

Outcome<pki::RequestContents> request_in(const Input& input) {
  const auto objects = TRY(objects_in(input, kRequest));
  auto request = pki::read_request(objects.front());
  if (!request) return is_no(input, "certificate request", request.error());
  return std::move(*request);
}

Outcome<pki::RequestContents> load_request(const std::string& path) {
  return request_in(TRY(read_input(path)));
}

Outcome<pki::CrlRef> crl_in(const Input& input) {
  auto crl = pki::parse_crl(*make_openssl_provider(), input.octets.view());
  if (!crl) return is_no(input, "CRL", crl.error());
  return std::move(*crl);
}

Outcome<pki::CrlRef> load_crl(const std::string& path) { return crl_in(TRY(read_input(path))); }

Outcome<pki::CrlRef> load_crl_of(const std::string& path, const pki::Certificate& ca) {
  auto crl = TRY(load_crl(path));
  if (!pki::verify(*make_openssl_provider(), *crl, ca))
    return std::unexpected(fmt::format("{} is not signed by the CA {}", config::in_quotes(path),
                                       pki::name_text(ca.subject)));
  return crl;
}

Bytes serial_of(const pki::Crl& crl, const pki::Crl::Entry& entry) {
  return without_zeros(ByteView(crl.der).subspan(entry.serial_at, entry.serial_size));
}

Bytes serial_of(const pki::Certificate& certificate) { return without_zeros(certificate.serial); }

Outcome<Holder> holder_of(const Input& input, const std::string& type) {
  if (type == "pub") return Holder::public_key;
  if (type == "pkcs10") return Holder::request;
  if (type == "x509") return Holder::certificate;
  if (type == "crl") return Holder::crl;
  if (type != "auto") return Holder::private_key;
  if (input.octets.empty()) return std::unexpected(fmt::format("{} is empty", input.name));
  return is_pem(input.octets.view()) ? holder_in_pem(input) : holder_in_der(input);
}

Outcome<PublicKeyRef> public_key_in(const Input& input, Holder holder,
                                    const std::string& password_file) {
  Bytes spki;
  switch (holder) {
    case Holder::private_key:
      spki = TRY(private_key_in(input, password_file)).spki();
      break;
    case Holder::certificate:
      spki = to_bytes(TRY(certificates_in(input)).front()->spki);
      break;
    case Holder::request:
      spki = TRY(request_in(input)).public_key;
      break;
    case Holder::public_key:
      spki = TRY(objects_in(input, kPublicKey)).front();
      break;
    case Holder::crl:
      return std::unexpected(fmt::format("{} is a CRL, which has no key", input.name));
  }
  auto key = make_openssl_provider()->load_public_key(spki);
  if (!key) return is_no(input, "public key", key.error());
  return *key;
}

Outcome<PublicKeyRef> public_half(const PrivateKey& key) {
  auto half = make_openssl_provider()->load_public_key(key.spki());
  if (!half)
    return std::unexpected(
        fmt::format("the public key of the private key is {}", reason_of(half.error())));
  return *half;
}

void add_key_source(CLI::App* command, KeySource& source) {
  command->add_option("-i,--in", source.path, "File with the key (default: standard input)");
  command->add_option("-t,--type", source.type, "What that file holds")
      ->check(CLI::IsMember(
          {"auto", "priv", "rsa", "ecdsa", "ed25519", "ed448", "pub", "pkcs10", "x509"}))
      ->capture_default_str();
  add_password_file(command, source.password_file);
}

void add_password_file(CLI::App* command, std::string& password_file) {
  command->add_option("--password-file", password_file,
                      "File with the password of an encrypted private key");
}

Outcome<SignatureScheme> scheme_for(KeyKind kind, const SigningChoice& choice) {
  std::optional<Hash> hash;
  if (choice.digest == "sha256") hash = Hash::sha2_256;
  if (choice.digest == "sha384") hash = Hash::sha2_384;
  if (choice.digest == "sha512") hash = Hash::sha2_512;
  switch (kind) {
    case KeyKind::rsa:
      if (choice.padding == "pss") return rsa_pss(hash.value_or(Hash::sha2_256));
      return SignatureScheme{SignatureKind::rsa_pkcs1, hash.value_or(Hash::sha2_256)};
    case KeyKind::ecdsa_p256:
      return SignatureScheme{SignatureKind::ecdsa, hash.value_or(Hash::sha2_256)};
    case KeyKind::ecdsa_p384:
      return SignatureScheme{SignatureKind::ecdsa, hash.value_or(Hash::sha2_384)};
    case KeyKind::ecdsa_p521:
      return SignatureScheme{SignatureKind::ecdsa, hash.value_or(Hash::sha2_512)};
    case KeyKind::ed25519:
    case KeyKind::ed448:
      break;
  }
  // RFC 8410, 3: the algorithm hashes by itself.
  if (hash) return std::unexpected(fmt::format("{} takes no --digest", name_of(kind)));
  return SignatureScheme{kind == KeyKind::ed25519 ? SignatureKind::ed25519 : SignatureKind::ed448};
}

pki::Issuer Authority::issuer() const {
  const Bytes& named = certificate->subject_key_id;
  return {to_bytes(certificate->subject),
          named.empty() ? to_bytes(certificate->key->key_id()) : named, key, scheme};
}

void add_authority(CLI::App* command, AuthorityFiles& files) {
  command->add_option("-c,--cacert", files.certificate, "File with the CA's certificate")
      ->required();
  command->add_option("-k,--cakey", files.key, "File with the CA's private key")->required();
}

Outcome<Authority> load_authority(const AuthorityFiles& files, const std::string& password_file,
                                  const SigningChoice& signing) {
  pki::CertificateRef certificate = TRY(load_certificate(files.certificate));
  PrivateKey key = TRY(load_private_key(files.key, password_file));
  if (!equal(certificate->spki, key.spki()))
    return std::unexpected(fmt::format("{} holds another key than the certificate in {}",
                                       config::in_quotes(files.key),
                                       config::in_quotes(files.certificate)));
  const SignatureScheme scheme = TRY(scheme_for(key.kind(), signing));
  return Authority{std::move(certificate), std::move(key), scheme};
}

Outcome<Bytes> parse_serial(const std::string& hex) {
  const auto bad = [&] {
    return std::unexpected(
        fmt::format("'{}' is no serial number: give up to {} hex digits", hex, kMaxSerialDigits));
  };
  std::string digits;
  for (const char c : hex) {
    if (c == ':') continue;
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0) return bad();
    digits += c;
  }
  if (digits.size() % 2 != 0) digits.insert(digits.begin(), '0');
  Bytes serial;
  for (std::size_t i = 0; i < digits.size(); i += 2)
    serial.push_back(static_cast<std::uint8_t>(std::stoul(digits.substr(i, 2), nullptr, 16)));
  serial = without_zeros(serial);
  if (serial.empty() || serial.size() > kMaxSerialDigits / 2) return bad();
  return serial;
}

}  // namespace culvert::cli
