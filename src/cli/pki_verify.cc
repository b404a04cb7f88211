// culvert pki verify: whether a certificate leads to a CA, and if not, why.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "cli/json.h"
#include "cli/pki_files.h"
#include "cli/text.h"
#include "config/table_reader.h"
#include "crypto/openssl_provider.h"
#include "pki/asn1_time.h"
#include "pki/path.h"

namespace culvert::cli {
namespace {

struct VerifyArguments {
  std::string in;
  std::vector<std::string> authorities, crls;
};

// CA certificates end a path; a CRL that none of them signed may be an intermediate CA's.
Outcome<> fill(const VerifyArguments& arguments, pki::TrustStore& store) {
  for (const std::string& path : arguments.authorities)
    for (auto& certificate : TRY(load_certificates(path))) {
      if (!certificate->is_ca)
        return std::unexpected(fmt::format("{} holds a certificate that is no CA's: {}",
                                           config::in_quotes(path),
                                           pki::name_text(certificate->subject)));
      store.add_ca(std::move(certificate));
    }
  for (const std::string& path : arguments.crls) store.add_crl(TRY(load_crl(path)));
  return {};
}

void show(const pki::Path& path, const Options& options) {
  vici::List names;
  for (const auto& certificate : path.certificates)
    names.push_back(pki::name_text(certificate->subject));
  if (options.json) {
    vici::Message message;
    message.add("success", "yes").add_list("path", std::move(names));
    fmt::print("{}\n", to_json(message));
    return;
  }
  fmt::print("trusted until {}\n",
             pki::to_string((*std::ranges::min_element(path.certificates, {}, [](const auto& one) {
                              return one->not_after;
                            }))->not_after));
  for (std::size_t i = 0; i < names.size(); ++i)
    fmt::print("{:>{}}{}\n", "", 2 * (i + 1), printable(names[i]));
}

Outcome<> verify(const VerifyArguments& arguments, const Options& options) {
  const auto provider = make_openssl_provider();
  pki::TrustStore store;
  const auto received = TRY(load_certificates(arguments.in));
  CHECK_OK(fill(arguments, store));
  // Without a CA, a certificate is asked whether it vouches for itself.
  if (arguments.authorities.empty()) store.add_ca(received.front());
  pki::SignatureCache signatures;
  pki::RevocationCache revocations;
  const pki::PathChecker checker(*provider, store, signatures, revocations);
  const auto path =
      checker.check(received.front(), received,
                    {.now = wall_clock(),
                     .purpose = pki::PathPurpose::any,
                     .revocation = arguments.crls.empty() ? pki::RevocationPolicy::off
                                                          : pki::RevocationPolicy::relaxed});
  if (!path) return std::unexpected(pki::to_sentence(path.error()));
  show(*path, options);
  return {};
}

}  // namespace

void add_pki_verify(CLI::App& pki, const Runner& runner) {
  const auto arguments = std::make_shared<VerifyArguments>();
  CLI::App* command =
      add_subcommand(pki, runner, "verify",
                     "Check that a certificate leads to a CA, or say why not", arguments, verify);
  command->add_option("-i,--in", arguments->in,
                      "File with the certificate, and intermediate CAs after it (default: standard "
                      "input)");
  add_list(command, "-c,--cacert", arguments->authorities,
           "File with CAs to trust (again for more; without, the certificate must be a CA itself)");
  add_list(command, "-l,--crl", arguments->crls, "File with a CRL to heed (again for more)");
}

}  // namespace culvert::cli
