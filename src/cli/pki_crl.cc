// culvert pki signcrl: a CA's list of what it revoked.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/pki_files.h"
#include "cli/pki_index.h"
#include "cli/text.h"
#include "config/table_reader.h"
#include "crypto/openssl_provider.h"
#include "pki/crl.h"
#include "pki/crl_issuing.h"

namespace culvert::cli {
namespace {

constexpr unsigned kDaysOfCrl = 15;

struct SigncrlArguments {
  AuthorityFiles ca_files;
  std::string password_file, last_crl;
  std::vector<std::string> certificates, serials, reasons, dates;
  const CLI::App* command = nullptr;  // for the order of those
  Window window;
  SigningChoice signing;
  Output output;
};

Outcome<std::chrono::sys_seconds> timestamp_of(const std::string& text) {
  const auto seconds = parse_count(text);
  if (!seconds || *seconds > UINT32_MAX)
    return std::unexpected(fmt::format("'{}' is no Unix timestamp", text));
  return std::chrono::sys_seconds(std::chrono::seconds(*seconds));
}

// A revocation is made of the --reason and --date that stand before its --cert or --serial.
class Revocations {
 public:
  Revocations(const pki::Certificate& ca, std::chrono::sys_seconds now) : ca_(ca), now_(now) {
    reset();
  }
  Outcome<> take(const std::string& option, const std::string& value) {
    if (option == "--reason") {
      const auto reason = parse_reason(value);
      if (!reason) return std::unexpected(fmt::format("'{}' is no reason of a revocation", value));
      next_.revocation.reason = *reason;
    } else if (option == "--date") {
      next_.revocation.when = TRY(timestamp_of(value));
    } else if (option == "--serial") {
      return add(TRY(parse_serial(value)));
    } else {
      const auto certificate = TRY(load_certificate(value));
      if (!equal(certificate->issuer, ca_.subject))
        return std::unexpected(fmt::format("{} was not issued by this CA: its issuer is {}",
                                           config::in_quotes(value),
                                           pki::name_text(certificate->issuer)));
      return add(serial_of(*certificate));
    }
    return {};
  }
  void adopt(const pki::Crl& last) {
    for (const auto& entry : last.entries)
      entries_.push_back({serial_of(last, entry), {entry.when, entry.reason}});
  }
  std::vector<pki::RevokedEntry> entries() && { return std::move(entries_); }

 private:
  Outcome<> add(Bytes serial) {
    next_.serial = std::move(serial);
    // What is revoked anew replaces what the last CRL said of it.
    std::erase_if(entries_, [this](const auto& entry) { return entry.serial == next_.serial; });
    entries_.push_back(next_);
    reset();
    return {};
  }
  void reset() { next_ = {.serial = {}, .revocation = {.when = now_}}; }

  const pki::Certificate& ca_;
  std::chrono::sys_seconds now_;
  std::vector<pki::RevokedEntry> entries_;
  pki::RevokedEntry next_;
};

// The options in the order in which they stand on the command line.
Outcome<> read_revocations(const SigncrlArguments& arguments, Revocations& revocations) {
  std::map<std::string, std::size_t> seen;
  for (const CLI::Option* option : arguments.command->parse_order()) {
    const std::string name = option->get_name();
    if (name != "--reason" && name != "--date" && name != "--cert" && name != "--serial") continue;
    CHECK_OK(revocations.take(name, option->results().at(seen[name]++)));
  }
  return {};
}

Outcome<> signcrl(const SigncrlArguments& arguments, const Options&) {
  const Authority ca =
      TRY(load_authority(arguments.ca_files, arguments.password_file, arguments.signing));
  if (ca.certificate->key_usage && (*ca.certificate->key_usage & pki::kCrlSign) == 0)
    return std::unexpected(fmt::format("the key usage in {} has no cRLSign",
                                       config::in_quotes(arguments.ca_files.certificate)));
  const auto now = wall_clock();
  const Validity validity = TRY(validity_of(arguments.window, kDaysOfCrl, now));
  Revocations revocations(*ca.certificate, now);
  if (!arguments.last_crl.empty())
    revocations.adopt(*TRY(load_crl_of(arguments.last_crl, *ca.certificate)));
  CHECK_OK(read_revocations(arguments, revocations));
  const pki::CrlContents contents{
      // The time serves as number: it grows without a file to keep it in.
      .number = static_cast<std::uint64_t>(now.time_since_epoch().count()),
      .this_update = validity.begin,
      .next_update = validity.end,
      .revoked = std::move(revocations).entries()};
  const auto crl = pki::issue_crl(contents, ca.issuer());
  if (!crl) return std::unexpected("the key could not sign the CRL");
  return write_object(arguments.output, "X509 CRL", *crl);
}

}  // namespace

void add_pki_signcrl(CLI::App& pki, const Runner& runner) {
  const auto arguments = std::make_shared<SigncrlArguments>();
  CLI::App* command =
      add_subcommand(pki, runner, "signcrl", "Make a CRL, signed by a CA", arguments, signcrl);
  command->alias("sign")->alias("crl");
  arguments->command = command;
  add_authority(command, arguments->ca_files);
  add_password_file(command, arguments->password_file);
  command->add_option("-a,--lastcrl", arguments->last_crl, "CRL to take revocations over from");
  add_list(command, "-r,--reason", arguments->reasons,
           "Why the next --cert or --serial is revoked: key-compromise, ca-compromise, "
           "affiliation-changed, superseded, cessation-of-operation, certificate-hold");
  add_list(command, "-d,--date", arguments->dates,
           "Since when it is revoked, as a Unix timestamp (default: now)");
  add_list(command, "-z,--cert", arguments->certificates, "Certificate to revoke (again for more)");
  add_list(command, "-s,--serial", arguments->serials,
           "Serial number in hex to revoke (again for more)");
  add_window(command, arguments->window, "--this-update", "--next-update");
  add_signing(command, arguments->signing);
  add_output(command, arguments->output, "the CRL");
}

}  // namespace culvert::cli
