// culvert user add, password, list, disable, enable, expire, remove.
#include "cli/user_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/credentials.h"
#include "cli/json.h"
#include "cli/locked_folder.h"
#include "cli/pki_files.h"
#include "cli/text.h"
#include "cli/users_file.h"
#include "config/file.h"
#include "config/table_reader.h"
#include "control/vici_client.h"
#include "crypto/openssl_provider.h"
#include "eap/password.h"

namespace culvert::cli {
namespace {

using config::in_quotes;
using vici::Client;
using vici::Message;

struct UserArguments {
  std::string config = "/etc/culvert/culvert.toml";
  std::string name, expires, password_file, form = "nt";
};

constexpr const char* kEndTimeoutMs = "5000";

Outcome<std::string> check_date(const std::string& text) {
  const auto document = config::parse_document("date = " + text);
  const auto* moment = document && document->size() == 1
                           ? std::get_if<config::Moment>(&document->front().value.content)
                           : nullptr;
  if (moment && moment->begin && !text.contains('\n')) return text;
  return std::unexpected(fmt::format(
      "{} is no date: write 2030-12-31, 2030-12-31T18:00:00Z, or \"never\"", in_quotes(text)));
}

// What stands in the file for a password: a hash, from which it cannot be read.
Outcome<std::string> stored_form(Provider& provider, ByteView password, const std::string& form) {
  if (password.size() > limits::kMaxPassword)
    return std::unexpected("the password is too long for EAP");
  if (form == "nt") return eap::to_string(eap::nt_hash(password));
  if (form == "clear") return fmt::format("clear:{}", as_text(password));
  const auto hash = eap::hash_password(provider, password);
  if (!hash) return std::unexpected("the password could not be hashed: libcrypto refused");
  return eap::to_string(*hash);
}

struct NewPassword {
  std::string stored;
  std::string shown;  // empty: the caller knows it
};
Outcome<NewPassword> new_password(const UserArguments& arguments) {
  const auto provider = make_openssl_provider();
  NewPassword made;
  SecretBytes given;
  if (arguments.password_file.empty()) {
    made.shown = make_password(*provider);
    given = SecretBytes(as_bytes(made.shown));
  } else {
    given = TRY(load_password(arguments.password_file));
  }
  const std::string stored = TRY(stored_form(*provider, given.view(), arguments.form));
  made.stored = toml_string(stored);
  return made;
}

// ---- the file ----

// The file that the configuration names, free of symbolic links.
Outcome<std::string> users_path(const std::string& config) {
  const auto file = TRY(config::read_file(config, limits::kMaxConfigSize));
  auto root = config::parse_document(as_text(file.octets.view()));
  if (!root)
    return std::unexpected(fmt::format("{}:{}:{}: {}", config, root.error().at.line,
                                       root.error().at.column, root.error().message));
  const auto named = std::ranges::find(*root, "users", &config::Member::key);
  const auto* name =
      named == root->end() ? nullptr : std::get_if<std::string>(&named->value.content);
  std::string path = name ? config::beside(config, *name) : std::string();
  config::wipe(*root);
  if (path.empty())
    return std::unexpected(
        fmt::format("{} names no file of users: write users = \"users.toml\" above its first "
                    "table",
                    in_quotes(config)));
  std::error_code error;
  const auto real = std::filesystem::weakly_canonical(path, error);
  return error ? path : real.string();
}

Outcome<UsersFile> read_users(const std::string& path) {
  if (!std::filesystem::exists(path)) return UsersFile::parse({}, path);
  const auto file = TRY(config::read_file(path, limits::kMaxConfigSize));
  return UsersFile::parse(std::string(as_text(file.octets.view())), path);
}

// Applies `edit` to the file of users under its lock. The path of the file.
template <class Edit>
Outcome<std::string> edit_users(const UserArguments& arguments, Edit&& edit) {
  const std::string path = TRY(users_path(arguments.config));
  const LockedFolder lock =
      TRY(LockedFolder::of(std::filesystem::path(path).parent_path().string()));
  UsersFile file = TRY(read_users(path));
  CHECK_OK(edit(file));
  CHECK_OK(write_octets({.path = path, .force = true}, as_bytes(file.text()), true));
  return path;
}

// ---- the daemon ----

// The sentence about what became of the change in a running daemon.
Outcome<std::string> tell_daemon(const Options& options) {
  auto client = Client::connect(options.uri);
  if (!client) return fmt::format("culvertd was not told: {}", client.error());
  const auto answer = client->request("reload-settings");
  const auto failure = answer ? vici::failure_of(*answer) : std::optional(answer.error());
  if (!failure) return "culvertd has reloaded its users";
  return std::unexpected(
      fmt::format("the file is changed, but culvertd does not take it: {}", *failure));
}

// Ends the tunnels of a user who may no longer have any; how many they were.
Outcome<std::size_t> end_tunnels(const Options& options, const std::string& user) {
  auto client = Client::connect(options.uri);
  if (!client) return 0;  // tell_daemon has said so
  std::vector<std::string> ids;
  const auto note = [&](const auto&, const Message& event) {
    for (const auto& element : event.elements())
      if (const auto* sa = std::get_if<vici::Section>(&element.value);
          sa && sa->get("remote-eap-id") == user)
        ids.emplace_back(sa->get("uniqueid"));
  };
  CHECK_OK(client->stream("list-sas", {}, "list-sa", note));
  for (const std::string& id : ids) {
    Message arguments;
    arguments.add("ike-id", id).add("timeout", kEndTimeoutMs);
    CHECK_OK(client->request("terminate", arguments));
  }
  return ids.size();
}

// ---- what is said ----

void say(const Options& options, const std::string& user, const std::string& done,
         const std::string& password, const std::string& daemon) {
  if (options.json) {
    Message message;
    message.add("success", "yes").add("user", user).add("done", done);
    if (!password.empty()) message.add("password", password);
    message.add("daemon", daemon);
    fmt::print("{}\n", to_json(message));
    return;
  }
  fmt::print("{}\n", printable(done));
  if (!password.empty()) fmt::print("password: {}    (it is shown only now)\n", password);
  fmt::print("{}\n", printable(daemon));
}

// ---- the subcommands ----

Outcome<> set_expiry(UsersFile& file, const UserArguments& arguments) {
  if (arguments.expires.empty()) return {};
  if (arguments.expires == "never") return file.unset(arguments.name, "expires");
  const std::string date = TRY(check_date(arguments.expires));
  return file.set(arguments.name, "expires", date);
}

Outcome<> add(const UserArguments& arguments, const Options& options) {
  CHECK_OK(check_user_name(arguments.name));
  const NewPassword password = TRY(new_password(arguments));
  const auto edit = [&](UsersFile& file) -> Outcome<> {
    CHECK_OK(file.add(arguments.name, password.stored));
    return set_expiry(file, arguments);
  };
  const std::string path = TRY(edit_users(arguments, edit));
  const std::string daemon = TRY(tell_daemon(options));
  say(options, arguments.name, fmt::format("added {} to {}", arguments.name, path), password.shown,
      daemon);
  return {};
}

Outcome<> change_password(const UserArguments& arguments, const Options& options) {
  const NewPassword password = TRY(new_password(arguments));
  TRY(edit_users(arguments, [&](UsersFile& file) {
    return file.set(arguments.name, "password", password.stored);
  }));
  const std::string daemon = TRY(tell_daemon(options));
  say(options, arguments.name, fmt::format("{} has a new password", arguments.name), password.shown,
      daemon);
  return {};
}

Outcome<> enable(const UserArguments& arguments, const Options& options) {
  TRY(edit_users(arguments,
                 [&](UsersFile& file) { return file.unset(arguments.name, "disabled"); }));
  const std::string daemon = TRY(tell_daemon(options));
  say(options, arguments.name, fmt::format("{} may log in", arguments.name), {}, daemon);
  return {};
}

Outcome<> expire(const UserArguments& arguments, const Options& options) {
  TRY(edit_users(arguments, [&](UsersFile& file) { return set_expiry(file, arguments); }));
  const std::string daemon = TRY(tell_daemon(options));
  const std::string until = arguments.expires == "never" ? "for ever"
                            : arguments.expires.contains(':')
                                ? "until " + arguments.expires
                                : "until the end of " + arguments.expires + " (UTC)";
  say(options, arguments.name, fmt::format("{} may log in {}", arguments.name, until), {}, daemon);
  return {};
}

// After the daemon has been told, so that the user cannot come back in between.
Outcome<> shut_out(const UserArguments& arguments, const Options& options,
                   const std::string& done) {
  std::string daemon = TRY(tell_daemon(options));
  if (const std::size_t ended = TRY(end_tunnels(options, arguments.name)); ended != 0)
    daemon += fmt::format("; ended {} tunnel{}", ended, ended == 1 ? "" : "s");
  say(options, arguments.name, done, {}, daemon);
  return {};
}

Outcome<> disable(const UserArguments& arguments, const Options& options) {
  TRY(edit_users(arguments,
                 [&](UsersFile& file) { return file.set(arguments.name, "disabled", "true"); }));
  return shut_out(arguments, options, fmt::format("{} may not log in", arguments.name));
}

Outcome<> remove(const UserArguments& arguments, const Options& options) {
  const std::string path =
      TRY(edit_users(arguments, [&](UsersFile& file) { return file.remove(arguments.name); }));
  return shut_out(arguments, options, fmt::format("removed {} from {}", arguments.name, path));
}

std::string_view state_of(const UsersFile::User& user) {
  if (!user.enabled) return "disabled";
  return user.expires && end_of(*user.expires) <= wall_clock() ? "expired" : "active";
}

Outcome<> list(const UserArguments& arguments, const Options& options) {
  const std::string path = TRY(users_path(arguments.config));
  const UsersFile file = TRY(read_users(path));
  std::vector<std::vector<Cell>> rows;
  for (const auto& user : file.users()) {
    const std::string_view state = state_of(user);
    const std::string last = user.expires ? to_string(*user.expires) : "-";
    if (options.json) {
      Message message;
      message.add("user", user.name).add("state", std::string(state)).add("expires", last);
      fmt::print("{}\n", to_json(message));
    }
    rows.push_back({{printable(user.name)},
                    {std::string(state), state == "active" ? Colour::green : Colour::red},
                    {last}});
  }
  if (!options.json)
    fmt::print("{}", table_text({"USER", "STATE", "EXPIRES"}, rows, options.colours));
  return {};
}

CLI::App* add_one(CLI::App& user, const Runner& runner, const std::string& name,
                  const std::string& help, const std::shared_ptr<UserArguments>& arguments,
                  Outcome<> (*execute)(const UserArguments&, const Options&)) {
  CLI::App* command = add_subcommand(user, runner, name, help, arguments, execute);
  if (execute != list) command->add_option("NAME", arguments->name, "The user's name")->required();
  command->add_option("--config", arguments->config, "The configuration, which names the file")
      ->capture_default_str();
  return command;
}

void add_password_options(CLI::App* command, UserArguments& arguments) {
  command->add_option("--password-file", arguments.password_file,
                      "File with the password, - for standard input (default: make one up)");
  command->add_option("--form", arguments.form, "How it is kept: nt is for MSCHAPv2")
      ->check(CLI::IsMember({"nt", "pbkdf2", "clear"}))
      ->capture_default_str();
}

}  // namespace

void add_user(CLI::App& app, const Runner& runner) {
  const auto arguments = std::make_shared<UserArguments>();
  CLI::App* user = app.add_subcommand("user", "Say who may log in");
  user->require_subcommand(1);
  CLI::App* adding = add_one(*user, runner, "add", "Let somebody log in", arguments, add);
  add_password_options(adding, *arguments);
  adding->add_option("--expires", arguments->expires, "Last day, as 2030-12-31 (in UTC)");
  add_password_options(add_one(*user, runner, "password", "Give a user another password", arguments,
                               change_password),
                       *arguments);
  add_one(*user, runner, "list", "List the users", arguments, list);
  add_one(*user, runner, "disable", "Keep a user out, and end the user's tunnels", arguments,
          disable);
  add_one(*user, runner, "enable", "Let a disabled user log in again", arguments, enable);
  add_one(*user, runner, "expire", "Set a user's last day", arguments, expire)
      ->add_option("DATE", arguments->expires, "2030-12-31, 2030-12-31T18:00:00Z, or never")
      ->required();
  add_one(*user, runner, "remove", "Remove a user, and end the user's tunnels", arguments, remove);
}

}  // namespace culvert::cli
