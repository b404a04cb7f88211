// Owns where a tunnel's private key is. Invariant: neither the key nor its password is read here.
#include <fmt/format.h>

#include <filesystem>

#include "config/authentication.h"
#include "config/file.h"
#include "crypto/pem.h"

namespace culvert::config {
namespace {

// The path of the password's file; the password itself has no place in this process.
std::string read_key_password(TableReader& table) {
  const Member* member = table.any("key_password");
  if (!member) return {};
  const auto* inner = std::get_if<Table>(&member->value.content);
  if (!inner) {
    table.wrong_type("key_password", member->value, "{ file = \"…\" }");
    return {};
  }
  TableReader reader(*inner, table.place("key_password"), member->value.at, table.report());
  const auto name = reader.text("file");
  if (!name && !reader.any("file"))
    table.report().error(member->value.at, table.place("key_password") + ": no 'file' is named");
  reader.finish();
  return name ? beside(table.report().file(), name->value) : std::string();
}

// Without `key`: the file beside the first of `beside_what` whose name ends in ".key", if it
// exists.
std::optional<LocatedText> key_file(TableReader& table, std::string_view beside_what) {
  const std::string& config = table.report().file();
  if (const auto named = table.text("key"))
    return LocatedText{beside(config, named->value), named->at};
  const auto files = table.texts(beside_what);
  if (table.any("key") || files.empty() || is_pem(as_bytes(files.front().value)))
    return std::nullopt;
  auto path = std::filesystem::path(beside(config, files.front().value));
  std::error_code error;
  if (!std::filesystem::is_regular_file(path.replace_extension(".key"), error)) return std::nullopt;
  return LocatedText{path.string(), files.front().at};
}

}  // namespace

void read_private_key(TableReader& table, std::string_view beside_what, Tunnel& tunnel) {
  std::string password = read_key_password(table);
  const auto key = key_file(table, beside_what);
  if (!key)
    return table.report().error(table.at(),
                                fmt::format("{} has '{}', but no 'key'", table.name(), beside_what),
                                "add key = \"FILE\" with the private key, in PEM or DER");
  const AuthConfig& local = tunnel.config.local;
  tunnel.key =
      KeyFile{key->value, std::move(password), local.certs, local.pubkeys,
              fmt::format("{}:{}:{}", table.report().file(), key->at.line, key->at.column)};
}

}  // namespace culvert::config
