// culvert pki self, issue, req: what becomes of the options of a certificate.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "cli/pki_files.h"
#include "config/table_reader.h"
#include "crypto/openssl_provider.h"
#include "pki/asn1_time.h"
#include "pki/der_values.h"
#include "policy/distinguished_name.h"

namespace culvert::cli {
namespace {

constexpr unsigned kDaysOfCa = 3'650, kDaysOfCertificate = 365;
constexpr std::string_view kUriPrefix = "uri:";

// Options of every certificate.
struct CertificateArguments {
  std::string dn, serial;
  std::vector<std::string> san, flags, ocsp, permitted, excluded, policies;
  bool ca = false;
  std::optional<unsigned> path_length;
  Window window;
  SigningChoice signing;
  Output output;
};
struct SelfArguments : CertificateArguments {
  std::string in, password_file;
};
struct IssueArguments : CertificateArguments {
  KeySource subject;
  AuthorityFiles ca_files;
  std::vector<std::string> crl;
};
struct ReqArguments {
  std::string in, password_file, dn, old_request, challenge;
  std::vector<std::string> san;
  SigningChoice signing;
  Output output;
};

Outcome<Bytes> subject_of(const std::string& dn) {
  auto der = encode_name(dn);
  if (!der)
    return std::unexpected(
        fmt::format("'{}' is no distinguished name: write it as \"C=CH, O=Example, CN=moon\"", dn));
  return std::move(*der);
}

Outcome<Bytes> alt_name_of(const std::string& text) {
  if (text.starts_with(kUriPrefix)) return pki::uri_name(text.substr(kUriPrefix.size()));
  const auto identity = parse_identity(text);
  auto name = identity ? pki::general_name(*identity) : std::nullopt;
  if (!name)
    return std::unexpected(fmt::format(
        "'{}' is no subjectAltName: give a host name, an address, a mail address, a distinguished "
        "name or uri:URI",
        text));
  return std::move(*name);
}

Outcome<std::vector<Bytes>> alt_names_of(const std::vector<std::string>& texts) {
  std::vector<Bytes> names;
  for (const std::string& text : texts) names.push_back(TRY(alt_name_of(text)));
  return names;
}

// RFC 5280, 4.2.1.10: the names are as in subjectAltName, but addresses have a prefix length.
Outcome<std::vector<Bytes>> constraints_of(const std::vector<std::string>& texts) {
  std::vector<Bytes> names;
  for (const std::string& text : texts) {
    const auto prefix = Prefix::parse(text);
    names.push_back(prefix ? pki::prefix_name(*prefix) : TRY(alt_name_of(text)));
  }
  return names;
}

Outcome<Bytes> serial_of(const std::string& hex, Provider& provider) {
  if (hex.empty()) {
    std::array<std::uint8_t, pki::kSerialSize> octets;
    provider.random(octets);
    return pki::serial_from_random(octets);
  }
  return parse_serial(hex);
}

struct FlagName {
  std::string_view name;
  std::optional<pki::KeyPurpose> purpose;  // none: crlSign, which is a key usage
};
constexpr FlagName kFlags[] = {
    {"serverAuth", pki::KeyPurpose::server_auth},
    {"clientAuth", pki::KeyPurpose::client_auth},
    {"ikeIntermediate", pki::KeyPurpose::ike_intermediate},
    {"ocspSigning", pki::KeyPurpose::ocsp_signing},
    {"msSmartcardLogon", pki::KeyPurpose::smartcard_logon},
    {"crlSign", std::nullopt},
};

void set_flags(const CertificateArguments& arguments, pki::CertificateContents& contents) {
  for (const std::string& flag : arguments.flags) {
    const auto* row = std::ranges::find(kFlags, flag, &FlagName::name);
    if (row->purpose)
      contents.purposes.push_back(*row->purpose);
    else
      contents.crl_sign = true;
  }
  // An end of a tunnel may be either side of it, and of TLS within EAP.
  if (arguments.flags.empty() && !arguments.ca)
    contents.purposes = {pki::KeyPurpose::server_auth, pki::KeyPurpose::client_auth};
}

// What `self` and `issue` put in alike; the subject's name and key are theirs.
Outcome<pki::CertificateContents> contents_of(const CertificateArguments& arguments) {
  const auto provider = make_openssl_provider();
  pki::CertificateContents contents;
  contents.serial = TRY(serial_of(arguments.serial, *provider));
  if (arguments.path_length && !arguments.ca)
    return std::unexpected("--pathlen is for CA certificates: give --ca too");
  const unsigned days = arguments.ca ? kDaysOfCa : kDaysOfCertificate;
  const Validity validity = TRY(validity_of(arguments.window, days, wall_clock()));
  contents.not_before = validity.begin;
  contents.not_after = validity.end;
  contents.subject_alt_names = TRY(alt_names_of(arguments.san));
  contents.ca = arguments.ca;
  if (arguments.path_length)
    contents.path_length = static_cast<std::uint8_t>(*arguments.path_length);
  set_flags(arguments, contents);
  contents.ocsp_uris = arguments.ocsp;
  contents.permitted = TRY(constraints_of(arguments.permitted));
  contents.excluded = TRY(constraints_of(arguments.excluded));
  for (const std::string& policy : arguments.policies) {
    const auto id = der::oid_from_text(policy);
    if (!id) return std::unexpected(fmt::format("'{}' is no object identifier", policy));
    contents.policies.push_back(*id);
  }
  return contents;
}

Outcome<> write_certificate(const pki::CertificateContents& contents, const pki::Issuer& issuer,
                            const Output& output) {
  const auto certificate = pki::issue_certificate(contents, issuer);
  if (!certificate) return std::unexpected("the key could not sign the certificate");
  return write_object(output, "CERTIFICATE", *certificate);
}

Outcome<> self(const SelfArguments& arguments, const Options&) {
  const PrivateKey key = TRY(load_private_key(arguments.in, arguments.password_file));
  pki::CertificateContents contents = TRY(contents_of(arguments));
  contents.subject = TRY(subject_of(arguments.dn));
  contents.public_key = key.spki();
  contents.key_id = to_bytes(TRY(public_half(key))->key_id());
  const SignatureScheme scheme = TRY(scheme_for(key.kind(), arguments.signing));
  return write_certificate(contents, {contents.subject, contents.key_id, key, scheme},
                           arguments.output);
}

// The subject's key and, of a request, its names; the command line's names come before those.
Outcome<> set_subject(const IssueArguments& arguments, pki::CertificateContents& contents) {
  const Input input = TRY(read_input(arguments.subject.path));
  const Holder holder = TRY(holder_of(input, arguments.subject.type));
  const auto key = TRY(public_key_in(input, holder, arguments.subject.password_file));
  contents.public_key = to_bytes(key->spki());
  contents.key_id = to_bytes(key->key_id());
  if (holder == Holder::request) {
    const auto request = TRY(request_in(input));
    contents.subject = request.subject;
    for (const Bytes& name : request.subject_alt_names) contents.subject_alt_names.push_back(name);
  } else if (arguments.dn.empty()) {
    return std::unexpected("give the subject's name: --dn \"C=CH, O=Example, CN=moon\"");
  }
  if (!arguments.dn.empty()) contents.subject = TRY(subject_of(arguments.dn));
  return {};
}

// What the rules of RFC 5280, 6.1 would hold against every certificate that comes out.
Outcome<> may_issue(const pki::Certificate& ca, const IssueArguments& arguments) {
  const std::string name = config::in_quotes(arguments.ca_files.certificate);
  if (!ca.is_ca)
    return std::unexpected(
        fmt::format("{} is no CA's certificate: those are made with --ca", name));
  if (ca.key_usage && (*ca.key_usage & pki::kKeyCertSign) == 0)
    return std::unexpected(fmt::format("the key usage in {} has no keyCertSign", name));
  if (arguments.ca && ca.path_length == 0)
    return std::unexpected(
        fmt::format("the path length in {} leaves no room for a CA below it", name));
  if (ca.not_after < wall_clock())
    return std::unexpected(fmt::format("{} has expired: {}", name, pki::to_string(ca.not_after)));
  return {};
}

Outcome<> issue(const IssueArguments& arguments, const Options&) {
  const Authority ca =
      TRY(load_authority(arguments.ca_files, arguments.subject.password_file, arguments.signing));
  CHECK_OK(may_issue(*ca.certificate, arguments));
  pki::CertificateContents contents = TRY(contents_of(arguments));
  contents.crl_uris = arguments.crl;
  CHECK_OK(set_subject(arguments, contents));
  if (contents.not_after > ca.certificate->not_after)
    fmt::print(stderr, "culvert: the certificate outlives its CA, which ends {}\n",
               pki::to_string(ca.certificate->not_after));
  return write_certificate(contents, ca.issuer(), arguments.output);
}

// The old request's names are taken where the command line has none.
Outcome<> req(const ReqArguments& arguments, const Options&) {
  const PrivateKey key = TRY(load_private_key(arguments.in, arguments.password_file));
  pki::RequestContents contents;
  if (!arguments.old_request.empty()) contents = TRY(load_request(arguments.old_request));
  if (arguments.dn.empty() && arguments.old_request.empty())
    return std::unexpected("give a name, --dn \"C=CH, CN=moon\", or --oldreq FILE");
  if (!arguments.dn.empty()) contents.subject = TRY(subject_of(arguments.dn));
  if (!arguments.san.empty()) contents.subject_alt_names = TRY(alt_names_of(arguments.san));
  contents.public_key = key.spki();
  contents.challenge_password = arguments.challenge;
  const SignatureScheme scheme = TRY(scheme_for(key.kind(), arguments.signing));
  const auto request = pki::make_request(contents, key, scheme);
  if (!request) return std::unexpected("the key could not sign the request");
  return write_object(arguments.output, "CERTIFICATE REQUEST", *request);
}

void add_private_key(CLI::App* command, std::string& path, std::string& password_file) {
  command->add_option("-i,--in", path, "File with the private key (default: standard input)");
  add_password_file(command, password_file);
}

void add_certificate_options(CLI::App* command, CertificateArguments& arguments) {
  std::vector<std::string> flags;
  for (const FlagName& flag : kFlags) flags.emplace_back(flag.name);
  command->add_option("-d,--dn", arguments.dn, "The subject, as \"C=CH, O=Example, CN=moon\"");
  add_list(command, "-a,--san", arguments.san,
           "subjectAltName: host name, address, mail address, name, or uri:URI (again for more)");
  add_window(command, arguments.window, "--not-before", "--not-after");
  command->add_option("-s,--serial", arguments.serial, "Serial number in hex (default: random)");
  command->add_flag("-b,--ca", arguments.ca, "Make it a CA");
  command->add_option("-p,--pathlen", arguments.path_length, "CAs that may follow below this one")
      ->check(CLI::Range(0, 127));
  add_list(command, "-e,--flag", arguments.flags,
           "What it may be used for (default: serverAuth and clientAuth; again for more)")
      ->check(CLI::IsMember(flags));
  add_list(command, "-o,--ocsp", arguments.ocsp, "URI where OCSP tells of it (again for more)");
  add_list(command, "-n,--nc-permitted", arguments.permitted,
           "Names that the CA may certify: domain, address/length, mail domain, name");
  add_list(command, "-N,--nc-excluded", arguments.excluded, "Names that it may not");
  add_list(command, "-P,--cert-policy", arguments.policies, "Certificate policy, by its OID");
  add_signing(command, arguments.signing);
  add_output(command, arguments.output, "the certificate");
}

}  // namespace

void add_pki_self(CLI::App& pki, const Runner& runner) {
  const auto arguments = std::make_shared<SelfArguments>();
  CLI::App* command =
      add_subcommand(pki, runner, "self", "Make a self-signed certificate", arguments, self);
  add_private_key(command, arguments->in, arguments->password_file);
  add_certificate_options(command, *arguments);
  command->get_option("--dn")->required();
}

void add_pki_issue(CLI::App& pki, const Runner& runner) {
  const auto arguments = std::make_shared<IssueArguments>();
  CLI::App* command =
      add_subcommand(pki, runner, "issue", "Make a certificate, signed by a CA", arguments, issue);
  add_key_source(command, arguments->subject);
  add_authority(command, arguments->ca_files);
  add_certificate_options(command, *arguments);
  add_list(command, "-u,--crl", arguments->crl, "URI of the CA's CRL (again for more)");
}

void add_pki_req(CLI::App& pki, const Runner& runner) {
  const auto arguments = std::make_shared<ReqArguments>();
  CLI::App* command =
      add_subcommand(pki, runner, "req", "Make a certificate request (PKCS#10)", arguments, req);
  add_private_key(command, arguments->in, arguments->password_file);
  command->add_option("-d,--dn", arguments->dn, "The subject, as \"C=CH, O=Example, CN=moon\"");
  add_list(command, "-a,--san", arguments->san, "subjectAltName (again for more)");
  command->add_option("-o,--oldreq", arguments->old_request,
                      "Earlier request whose names are taken again");
  command->add_option("-p,--password", arguments->challenge, "Challenge password to put in");
  add_signing(command, arguments->signing);
  add_output(command, arguments->output, "the request");
}

}  // namespace culvert::cli
