// Owns the keys of [user.NAME].
// Invariant: no two users have one name.
#include "config/users.h"

#include <fmt/format.h>

#include <functional>
#include <set>

#include "config/file.h"
#include "config/secret_text.h"

namespace culvert::config {
namespace {

void read_password(TableReader& table, const TunnelContext& context, eap::User& user) {
  const Member* given = table.any("password");
  if (!given)
    return context.report.error(table.at(), fmt::format("{} has no 'password'", table.name()),
                                "add password = { file = \"…\" }");
  SecretBytes password = read_secret(table, *given, "password", context);
  if (auto form = eap::parse_password(as_text(password.view())))
    user.password = std::move(*form);
  else
    user.password = eap::ClearPassword{std::move(password)};
}

// A user may still log in on the day that is named.
void read_expiry(TableReader& table, eap::User& user) {
  const Member* given = table.any("expires");
  if (!given) return;
  const auto* moment = std::get_if<Moment>(&given->value.content);
  if (!moment || !moment->begin)
    return table.wrong_type("expires", given->value,
                            "a date without quotes, 2030-12-31, or 2030-12-31T18:00:00Z");
  user.expires = *moment->begin + std::chrono::days(moment->whole_day ? 1 : 0);
}

void read_user(const Member& member, const TunnelContext& context, std::vector<eap::User>& to) {
  const auto* content = std::get_if<Table>(&member.value.content);
  if (!content)
    return context.report.error(member.value.at,
                                fmt::format("{} in [user]: expected a table, found {}",
                                            in_quotes(member.key), kind_of(member.value)),
                                "write [user.NAME]");
  TableReader reader(*content, fmt::format("[user.{}]", member.key), member.at, context.report);
  eap::User user;
  user.name = member.key;
  read_password(reader, context, user);
  read_expiry(reader, user);
  if (auto group = reader.text("group")) user.group = std::move(group->value);
  user.enabled = !reader.boolean("disabled").value_or(false);
  reader.finish();
  to.push_back(std::move(user));
}

}  // namespace

void read_users(const Member& member, const TunnelContext& context, std::vector<eap::User>& to) {
  const auto* content = std::get_if<Table>(&member.value.content);
  if (!content)
    return context.report.error(
        member.value.at, fmt::format("'user': expected a table, found {}", kind_of(member.value)),
        "write [user.NAME]");
  std::set<std::string, std::less<>> elsewhere;  // within one table names differ
  for (const eap::User& user : to) elsewhere.insert(user.name);
  for (const Member& one : *content) {
    if (elsewhere.contains(one.key))
      context.report.error(one.at, fmt::format("[user.{}] is in another file too", one.key),
                           "leave it out of one of them");
    read_user(one, context, to);
  }
}

void read_users_file(const LocatedText& name, Report& report, std::vector<eap::User>& to) {
  const std::string path = beside(report.file(), name.value);
  const auto file = read_file(path, limits::kMaxConfigSize);
  if (!file) return report.error(name.at, file.error(), "make it with: culvert user add NAME");
  Report own(path);
  auto document = parse_document(as_text(file->octets.view()));
  if (!document) {
    own.error(document.error().at, document.error().message);
  } else {
    TableReader table(*document, "the file of users", {}, own);
    if (const Member* users = table.any("user"))
      read_users(*users, {own, file->world_readable}, to);
    table.finish();
    wipe(*document);
  }
  report.append(std::move(own));
}

}  // namespace culvert::config
