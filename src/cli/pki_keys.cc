// culvert pki gen, pub, keyid, export: keys, and what identifies them.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "cli/json.h"
#include "cli/pki_files.h"
#include "pki/pkcs12_issuing.h"

namespace culvert::cli {
namespace {

struct GenArguments {
  std::string type = "ecdsa", password_file;
  unsigned size = 0;  // 0: what the type has by default
  Output output;
};
struct PubArguments {
  KeySource source;
  Output output;
};
struct KeyidArguments {
  KeySource source;
  std::string id = "all", format = "pretty";
};
struct ExportArguments {
  std::string key, certificate, name, password_file, key_password_file;
  std::vector<std::string> ca_certificates;
  bool legacy = false;
  Output output{.form = "der"};
};

constexpr unsigned kRsaBits = 3'072;  // as strong as P-256

struct Size {
  KeyKind kind;
  unsigned bits;
};
Outcome<Size> size_of(const GenArguments& arguments) {
  const unsigned size = arguments.size;
  if (arguments.type == "rsa") {
    if (size != 0 && (size < kWeakRsaBits || size > kMaxRsaBits))
      return std::unexpected(fmt::format("RSA keys have {} to {} bits", kWeakRsaBits, kMaxRsaBits));
    return Size{KeyKind::rsa, size == 0 ? kRsaBits : size};
  }
  if (arguments.type == "ecdsa") {
    if (size == 0 || size == 256) return Size{KeyKind::ecdsa_p256, 256};
    if (size == 384) return Size{KeyKind::ecdsa_p384, 384};
    if (size == 521) return Size{KeyKind::ecdsa_p521, 521};
    return std::unexpected("ECDSA keys have 256, 384 or 521 bits");
  }
  if (size != 0) return std::unexpected(fmt::format("{} takes no --size", arguments.type));
  return Size{arguments.type == "ed448" ? KeyKind::ed448 : KeyKind::ed25519, 0};
}

Outcome<> gen(const GenArguments& arguments, const Options&) {
  const Size size = TRY(size_of(arguments));
  const auto key = PrivateKey::generate(size.kind, size.bits);
  if (!key) return std::unexpected("the key could not be made: libcrypto refused");
  return write_private_key(arguments.output, *key, arguments.password_file);
}

Outcome<PublicKeyRef> load_public_key(const KeySource& source) {
  const Input input = TRY(read_input(source.path));
  return public_key_in(input, TRY(holder_of(input, source.type)), source.password_file);
}

Outcome<> pub(const PubArguments& arguments, const Options&) {
  const auto key = TRY(load_public_key(arguments.source));
  return write_object(arguments.output, "PUBLIC KEY", key->spki());
}

std::string key_id_text(ByteView id, const std::string& format) {
  return fmt::format("{:02x}", fmt::join(id, format == "pretty" ? ":" : ""));
}

// In strongSwan's words: spk is the hash of the key alone, spki that with its algorithm.
Outcome<> keyid(const KeyidArguments& arguments, const Options& options) {
  const auto key = TRY(load_public_key(arguments.source));
  struct Row {
    const char *id, *title, *field;
    ByteView hash;
  };
  const Row rows[] = {{"spk", "subjkey:", "subject-key-id", key->key_id()},
                      {"spki", "keyid:", "key-id", key->spki_hash()}};
  vici::Message message;
  for (const Row& row : rows) {
    if (arguments.id != "all" && arguments.id != row.id) continue;
    const std::string text = key_id_text(row.hash, arguments.format);
    if (options.json)
      message.add(row.field, text);
    else if (arguments.format == "bin")
      fmt::print("{}", as_text(row.hash));
    else if (arguments.format == "pretty")
      fmt::print("{:<10}{}\n", row.title, text);
    else
      fmt::print("{}\n", text);
  }
  if (options.json) fmt::print("{}\n", to_json(message));
  return {};
}

Outcome<> export_pkcs12(const ExportArguments& arguments, const Options&) {
  const PrivateKey key = TRY(load_private_key(arguments.key, arguments.key_password_file));
  pki::Pkcs12Contents contents{.key = key, .name = arguments.name};
  auto chain = TRY(load_certificates(arguments.certificate));
  for (const std::string& path : arguments.ca_certificates)
    std::ranges::move(TRY(load_certificates(path)), std::back_inserter(chain));
  if (!equal(chain.front()->spki, key.spki()))
    return std::unexpected(fmt::format("{} is the certificate of another key than {}",
                                       arguments.certificate, arguments.key));
  for (const auto& certificate : chain) contents.chain.push_back(certificate->der);
  const SecretBytes password = TRY(load_password(arguments.password_file));
  const auto form = arguments.legacy ? pki::Pkcs12Form::legacy : pki::Pkcs12Form::aes;
  const auto octets = pki::make_pkcs12(contents, as_text(password.view()), form);
  if (!octets) return std::unexpected("the PKCS#12 file could not be made: libcrypto refused");
  return write_octets(arguments.output, octets->view(), true);
}

}  // namespace

void add_pki_gen(CLI::App& pki, const Runner& runner) {
  const auto arguments = std::make_shared<GenArguments>();
  CLI::App* command = add_subcommand(pki, runner, "gen", "Make a private key", arguments, gen);
  command->add_option("-t,--type", arguments->type, "Type of key")
      ->check(CLI::IsMember({"rsa", "ecdsa", "ed25519", "ed448"}))
      ->capture_default_str();
  command->add_option("-s,--size", arguments->size, "Bits (default: rsa 3072, ecdsa 256)");
  command->add_option("--password-file", arguments->password_file,
                      "File with a password to encrypt the key with");
  add_output(command, arguments->output, "the key");
}

void add_pki_pub(CLI::App& pki, const Runner& runner) {
  const auto arguments = std::make_shared<PubArguments>();
  CLI::App* command =
      add_subcommand(pki, runner, "pub", "Take the public key out of a key, certificate or request",
                     arguments, pub);
  add_key_source(command, arguments->source);
  add_output(command, arguments->output, "the public key");
}

void add_pki_keyid(CLI::App& pki, const Runner& runner) {
  const auto arguments = std::make_shared<KeyidArguments>();
  CLI::App* command =
      add_subcommand(pki, runner, "keyid", "Show the hashes that identify a key", arguments, keyid);
  add_key_source(command, arguments->source);
  command->add_option("-I,--id", arguments->id, "Which: of the key alone, or with its algorithm")
      ->check(CLI::IsMember({"all", "spk", "spki"}))
      ->capture_default_str();
  command->add_option("-f,--format", arguments->format, "How they are written")
      ->check(CLI::IsMember({"pretty", "hex", "bin"}))
      ->capture_default_str();
}

void add_pki_export(CLI::App& pki, const Runner& runner) {
  const auto arguments = std::make_shared<ExportArguments>();
  CLI::App* command =
      add_subcommand(pki, runner, "export", "Put a key and its certificates into a PKCS#12 file",
                     arguments, export_pkcs12);
  command->add_option("-k,--key", arguments->key, "File with the private key")->required();
  command->add_option("-i,--in", arguments->certificate, "File with the key's certificate")
      ->required();
  add_list(command, "-c,--cacert", arguments->ca_certificates,
           "File with CA certificates to add (again for more)");
  command->add_option("--name", arguments->name, "Name that the importing device shows");
  command
      ->add_option("--password-file", arguments->password_file,
                   "File with the password that opens the PKCS#12 file")
      ->required();
  command->add_option("--key-password-file", arguments->key_password_file,
                      "File with the password of an encrypted private key");
  command->add_flag("--legacy", arguments->legacy,
                    "Encrypt with 3DES and SHA-1, for devices that know nothing newer");
  command->add_option("--out", arguments->output.path, "File to write (default: standard output)");
  command->add_flag("--force", arguments->output.force, "Replace the file when there is one");
}

}  // namespace culvert::cli
