#include "cli/server_files.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <filesystem>

#include "cli/issuing.h"
#include "cli/locked_folder.h"
#include "cli/users_file.h"
#include "config/file.h"
#include "config/load.h"
#include "config/table_reader.h"
#include "crypto/pem.h"
#include "pki/asn1_time.h"
#include "pki/identity_match.h"

namespace culvert::cli {
namespace {

namespace fs = std::filesystem;
using config::in_quotes;

constexpr auto kSoon = std::chrono::days(60);
constexpr std::string_view kUsersText =
    "# Who may log in. `culvert user` changes this file; comments stay.\n";

std::string list_text(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values)
    text += fmt::format("{}{}", text.empty() ? "" : ", ", toml_string(value));
  return fmt::format("[{}]", text);
}

class ServerFiles {
 public:
  explicit ServerFiles(const ServerPlan& plan) : plan_(plan) {}

  Outcome<std::vector<MadeFile>> make() {
    CHECK_OK(look_at_configuration());
    CHECK_OK(make_authority());
    CHECK_OK(make_server());
    CHECK_OK(make_users());
    CHECK_OK(make_configuration());
    return std::move(made_);
  }

 private:
  std::string path(const std::string& file) const { return plan_.folder + "/" + file; }
  static bool exists(const std::string& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
  }
  void note(const std::string& path, std::string what, bool is_new) {
    made_.push_back({path, std::move(what), is_new});
  }

  // Before anything is made: what must not be overwritten?
  Outcome<> look_at_configuration() {
    const std::string file = path("culvert.toml");
    if (!exists(file)) return {};
    const auto contents = TRY(config::read_file(file, limits::kMaxConfigSize));
    is_configured_ = as_text(contents.octets.view()) == server_toml(plan_);
    if (is_configured_ || plan_.force) return {};
    return std::unexpected(fmt::format(
        "{} exists and says something else: nothing was changed. --force keeps it under another "
        "name, --dir takes another folder",
        in_quotes(file)));
  }

  // The name that a file is kept under, with the time in it.
  Outcome<> keep_aside(const std::string& file) {
    const std::string other = fmt::format(
        "{}.{:%Y%m%dT%H%M%SZ}", file,
        fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
    std::error_code error;
    fs::create_hard_link(file, other, error);
    if (error)
      return std::unexpected(
          fmt::format("cannot keep {} as {}: {}", in_quotes(file), other, error.message()));
    note(other, "what stood there before", true);
    return {};
  }

  Outcome<PrivateKey> key_at(const std::string& file, const std::string& what) {
    if (exists(file)) {
      note(file, what, false);
      return load_private_key(file, {});
    }
    PrivateKey key = TRY(make_key());
    CHECK_OK(write_private_key({.path = file}, key, {}));
    note(file, what, true);
    return key;
  }

  Outcome<> make_authority() {
    const std::string certificate = path("ca.pem"), key_file = path("ca.key");
    const bool known = exists(certificate);
    if (known && !exists(key_file) && exists(path("server.pem")) && !plan_.renew) {
      note(certificate, "the CA's certificate, for clients", false);
      return {};  // its key has been moved away, as it should be
    }
    if (known && !exists(key_file))
      return std::unexpected(fmt::format("{} has no {} beside it: put the CA's private key there",
                                         in_quotes(certificate), in_quotes("ca.key")));
    const PrivateKey key = TRY(key_at(key_file,
                                      "the CA's private key: whoever has it can pose as "
                                      "this server. Keep a copy elsewhere"));
    if (!known) {
      const Bytes der = TRY(make_ca_certificate(plan_.name + " CA", key));
      CHECK_OK(write_object({.path = certificate}, "CERTIFICATE", der));
    }
    note(certificate, "the CA's certificate, for clients", !known);
    return {};
  }

  Outcome<> look_at_server(const std::string& file) {
    const auto certificate = TRY(load_certificate(file));
    const auto now = wall_clock();
    if (!pki::certifies(*certificate, plan_.identity))
      return std::unexpected(
          fmt::format("{} is not for {}: --renew makes another one", in_quotes(file), plan_.name));
    if (certificate->not_after < now + kSoon)
      return std::unexpected(fmt::format("{} ends {}: --renew makes another one", in_quotes(file),
                                         pki::to_string(certificate->not_after)));
    note(file, "the server's certificate", false);
    return {};
  }

  Outcome<> make_server() {
    const std::string file = path("server.pem");
    const bool known = exists(file);
    if (known && !plan_.renew) return look_at_server(file);
    const Authority ca = TRY(load_authority({path("ca.pem"), path("ca.key")}, {}, {}));
    const PrivateKey key = TRY(key_at(path("server.key"), "the server's private key"));
    const auto name = pki::general_name(plan_.identity);
    if (!name) return std::unexpected("the server's name is no host name and no address");
    // Windows asks for serverAuth, older Apple systems for ikeIntermediate too.
    constexpr pki::KeyPurpose kPurposes[] = {pki::KeyPurpose::server_auth,
                                             pki::KeyPurpose::ike_intermediate};
    const Bytes der = TRY(make_certificate({plan_.name, {*name}}, kPurposes, key, ca));
    if (known) CHECK_OK(keep_aside(file));
    CHECK_OK(write_object({.path = file, .force = known}, "CERTIFICATE", der));
    note(file, "the server's certificate", true);
    return {};
  }

  Outcome<> make_users() {
    if (plan_.certificates) return {};
    const std::string file = path("users.toml");
    const bool known = exists(file);
    if (!known) CHECK_OK(write_octets({.path = file}, as_bytes(kUsersText), true));
    note(file, "the users", !known);
    return {};
  }

  Outcome<> make_configuration() {
    const std::string file = path("culvert.toml"), text = server_toml(plan_);
    if (!is_configured_) {
      const bool replaces = exists(file);
      if (replaces) CHECK_OK(keep_aside(file));
      CHECK_OK(write_octets({.path = file, .force = replaces}, as_bytes(text), true));
    }
    note(file, "the configuration", !is_configured_);
    const auto loaded = config::load(file);
    if (!loaded) return std::unexpected(loaded.error().front().to_string());
    return {};
  }

  const ServerPlan& plan_;
  bool is_configured_ = false;
  std::vector<MadeFile> made_;
};

}  // namespace

std::string server_toml(const ServerPlan& plan) {
  std::string text;
  if (!plan.certificates) text += "users = \"users.toml\"\n\n";
  text += "[tunnel.clients]\ncert  = \"server.pem\"\n";
  text += plan.certificates ? "ca    = \"ca.pem\"\n" : "eap   = \"mschapv2\"\n";
  text += fmt::format("pool  = {}\n", list_text(plan.pools));
  if (!plan.dns.empty()) text += fmt::format("dns   = {}\n", list_text(plan.dns));
  text += fmt::format("local = {}\n", list_text(plan.local));
  if (plan.nat) text += "nat   = true\n";
  return text;
}

Outcome<std::vector<MadeFile>> make_server_files(const ServerPlan& plan) {
  std::error_code error;
  if (fs::create_directories(plan.folder, error))
    fs::permissions(plan.folder,
                    fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec, error);
  if (error)
    return std::unexpected(
        fmt::format("cannot make {}: {}", in_quotes(plan.folder), error.message()));
  const LockedFolder lock = TRY(LockedFolder::of(plan.folder));
  return ServerFiles(plan).make();
}

}  // namespace culvert::cli
