// Owns what the subcommands of `culvert pki` share on the command line.
#include "cli/pki_command.h"

#include <fmt/format.h>

#include <array>
#include <ctime>

namespace culvert::cli {
namespace {

using std::chrono::sys_seconds;

constexpr unsigned kMaxDays = 36'500;
constexpr const char* kStrongswanDate = "%d.%m.%y %T";

std::optional<std::tm> read_date(const std::string& text, const char* form) {
  std::tm parts{};
  parts.tm_isdst = -1;
  const char* end = strptime(text.c_str(), form, &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return parts;
}

// In strongSwan's form, in local time, or as "2030-12-31" or "2030-12-31T23:59:59Z", in UTC; with
// a form of the caller's in that one only.
std::optional<sys_seconds> parse_date(const std::string& text, const std::string& form) {
  if (auto parts = read_date(text, form.empty() ? kStrongswanDate : form.c_str()))
    return sys_seconds(std::chrono::seconds(std::mktime(&*parts)));
  if (!form.empty()) return std::nullopt;
  for (const char* iso : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"})
    if (auto parts = read_date(text, iso))
      return sys_seconds(std::chrono::seconds(timegm(&*parts)));
  return std::nullopt;
}

Outcome<sys_seconds> date_of(const std::string& text, const std::string& form) {
  if (const auto when = parse_date(text, form)) return *when;
  return std::unexpected(fmt::format("'{}' is no date of the form {}", text,
                                     form.empty() ? "31.12.30 23:59:59 or 2030-12-31" : form));
}

}  // namespace

void add_pki(CLI::App& app, const Runner& runner) {
  CLI::App* pki = app.add_subcommand("pki", "Make and look at keys, certificates and CRLs");
  pki->require_subcommand(1);
  add_pki_gen(*pki, runner);
  add_pki_self(*pki, runner);
  add_pki_issue(*pki, runner);
  add_pki_req(*pki, runner);
  add_pki_signcrl(*pki, runner);
  add_pki_ocsp(*pki, runner);
  add_pki_print(*pki, runner);
  add_pki_verify(*pki, runner);
  add_pki_pub(*pki, runner);
  add_pki_keyid(*pki, runner);
  add_pki_export(*pki, runner);
}

CLI::Option* add_list(CLI::App* command, const std::string& name, std::vector<std::string>& values,
                      const std::string& help) {
  return command->add_option(name, values, help)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
}

void add_output(CLI::App* command, Output& output, const std::string& what) {
  command->add_option("-f,--outform", output.form, "Encoding of " + what)
      ->check(CLI::IsMember({"der", "pem"}))
      ->capture_default_str();
  command->add_option("--out", output.path, "File to write (default: standard output)");
  command->add_flag("--force", output.force, "Replace the file when there is one");
}

void add_window(CLI::App* command, Window& window, const std::string& begin,
                const std::string& end) {
  command->add_option("-l,--lifetime", window.lifetime_days, "Days of validity")
      ->check(CLI::Range(1U, kMaxDays));
  command->add_option("-F," + begin, window.begin, "Date when validity starts (default: now)");
  command->add_option("-T," + end, window.end, "Date when validity ends, instead of --lifetime");
  command->add_option("-D,--dateform", window.form,
                      "Form of those dates, as strptime(3) has it (default: %d.%m.%y %T, or "
                      "2030-12-31)");
}

Outcome<Validity> validity_of(const Window& window, unsigned default_days, sys_seconds now) {
  Validity validity{now, {}};
  if (!window.begin.empty()) validity.begin = TRY(date_of(window.begin, window.form));
  const unsigned days = window.lifetime_days != 0 ? window.lifetime_days : default_days;
  validity.end = validity.begin + std::chrono::days(days);
  if (!window.end.empty()) validity.end = TRY(date_of(window.end, window.form));
  if (validity.end <= validity.begin)
    return std::unexpected("the validity would end before it starts");
  return validity;
}

sys_seconds wall_clock() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

void add_signing(CLI::App* command, SigningChoice& choice) {
  command->add_option("-g,--digest", choice.digest, "Digest to sign (default: what suits the key)")
      ->check(CLI::IsMember({"sha256", "sha384", "sha512"}));
  command->add_option("-R,--rsa-padding", choice.padding, "Padding of RSA signatures")
      ->check(CLI::IsMember({"pkcs1", "pss"}))
      ->capture_default_str();
}

}  // namespace culvert::cli
