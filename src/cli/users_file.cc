// Owns the edits of the file of users.
// Invariant: every edit is read again before it counts, and has changed nothing but what was asked.
#include "cli/users_file.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "config/table_reader.h"

namespace culvert::cli {
namespace {

using config::in_quotes;
using config::Member;
using config::Table;

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    lines.emplace_back(text.substr(0, end + 1));
    text.remove_prefix(end + 1);
  }
  if (!lines.empty() && !lines.back().ends_with('\n')) lines.back() += '\n';
  return lines;
}

std::string_view trimmed(std::string_view line) {
  const std::size_t begin = line.find_first_not_of(" \t\r\n");
  return begin == std::string_view::npos ? std::string_view() : line.substr(begin);
}

bool is_remark(std::string_view line) {
  return trimmed(line).empty() || trimmed(line).starts_with('#');
}

const Member* find_member(const Table& table, std::string_view key) {
  const auto found = std::ranges::find(table, key, &Member::key);
  return found == table.end() ? nullptr : &*found;
}

UsersFile::User user_of(const Member& member, Table keys) {
  UsersFile::User user{member.key, true, {}, std::move(keys), member.at.line};
  const Member* disabled = find_member(user.keys, "disabled");
  const bool* is_disabled = disabled ? std::get_if<bool>(&disabled->value.content) : nullptr;
  user.enabled = !is_disabled || !*is_disabled;
  const Member* expires = find_member(user.keys, "expires");
  const auto* moment = expires ? std::get_if<config::Moment>(&expires->value.content) : nullptr;
  if (moment && moment->begin) user.expires = *moment;
  return user;
}

bool is_bare(std::string_view key) {
  return !key.empty() && key.find_first_not_of(
                             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"
                             "Z0123456789_-") == std::string_view::npos;
}

std::map<std::string, std::size_t> key_counts(const std::vector<UsersFile::User>& users) {
  std::map<std::string, std::size_t> counts;
  for (const auto& user : users) counts[user.name] = user.keys.size();
  return counts;
}

}  // namespace

std::string toml_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      quoted += fmt::format("\\{}", c);
    else if (octet < 0x20 || octet == 0x7f)
      quoted += fmt::format("\\u{:04x}", octet);
    else
      quoted += c;
  }
  return quoted + '"';
}

std::string toml_key(std::string_view text) {
  return is_bare(text) ? std::string(text) : toml_string(text);
}

std::string to_string(const config::Moment& moment) {
  if (!moment.begin) return {};
  const std::time_t time = std::chrono::system_clock::to_time_t(*moment.begin);
  return moment.whole_day ? fmt::format("{:%Y-%m-%d}", fmt::gmtime(time))
                          : fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(time));
}

std::chrono::sys_seconds end_of(const config::Moment& moment) {
  return moment.begin.value_or(std::chrono::sys_seconds::max()) +
         std::chrono::days(moment.whole_day ? 1 : 0);
}

Outcome<UsersFile> UsersFile::parse(std::string text, std::string name) {
  UsersFile file;
  auto root = config::parse_document(text);
  if (!root)
    return std::unexpected(fmt::format("{}:{}:{}: {}", name, root.error().at.line,
                                       root.error().at.column, root.error().message));
  for (Member& member : *root) {
    auto* table = std::get_if<Table>(&member.value.content);
    if (member.key != "user" || !table)
      return std::unexpected(fmt::format("{}:{}:{}: expected [user.NAME], found {}", name,
                                         member.at.line, member.at.column, in_quotes(member.key)));
    for (Member& one : *table) {
      auto* keys = std::get_if<Table>(&one.value.content);
      file.users_.push_back(user_of(one, keys ? std::move(*keys) : Table{}));
    }
  }
  file.text_ = std::move(text);
  file.name_ = std::move(name);
  return file;
}

const UsersFile::User* UsersFile::find(std::string_view user) const {
  const auto found = std::ranges::find(users_, user, &User::name);
  return found == users_.end() ? nullptr : &*found;
}

std::string UsersFile::edit_by_hand(const std::string& user) const {
  return fmt::format("{} has {} in a form that this command cannot change: use an editor", name_,
                     in_quotes(user));
}

Outcome<const UsersFile::User*> UsersFile::require(const std::string& user) const {
  if (const User* found = find(user)) return found;
  return std::unexpected(fmt::format("{} has no user {}", name_, in_quotes(user)));
}

Outcome<UsersFile::Range> UsersFile::range_of(const User& user, const Lines& lines) const {
  Range range{user.line - 1, lines.size()};
  for (const User& other : users_)
    if (other.line > user.line) range.end = std::min<std::size_t>(range.end, other.line - 1);
  if (range.begin >= range.end || !trimmed(lines[range.begin]).starts_with('['))
    return std::unexpected(edit_by_hand(user.name));
  // What stands right above a header is about that user.
  while (range.end > range.begin + 1 && is_remark(lines[range.end - 1])) --range.end;
  return range;
}

Outcome<std::optional<std::size_t>> UsersFile::line_of(const User& user, const std::string& key,
                                                       const Lines& lines) const {
  const Range range = TRY(range_of(user, lines));
  const Member* member = find_member(user.keys, key);
  if (!member) return std::nullopt;
  const std::size_t line = member->at.line - 1;
  if (line <= range.begin || line >= range.end || trimmed(lines[line]).starts_with('['))
    return std::unexpected(edit_by_hand(user.name));
  return line;
}

Outcome<> UsersFile::take(const Lines& lines, const std::string& user,
                          std::optional<std::size_t> keys) {
  auto expected = key_counts(users_);
  expected.erase(user);
  if (keys) expected[user] = *keys;
  std::string text;
  for (const std::string& line : lines) text += line;
  auto file = parse(std::move(text), name_);
  if (!file || key_counts(file->users_) != expected) return std::unexpected(edit_by_hand(user));
  *this = std::move(*file);
  return {};
}

Outcome<> UsersFile::add(const std::string& user, const std::string& password) {
  if (find(user))
    return std::unexpected(fmt::format("{} has a user {} already", name_, in_quotes(user)));
  Lines lines = split(text_);
  if (!lines.empty() && !trimmed(lines.back()).empty()) lines.emplace_back("\n");
  lines.push_back(fmt::format("[user.{}]\n", toml_key(user)));
  lines.push_back(fmt::format("password = {}\n", password));
  return take(lines, user, 1);
}

Outcome<> UsersFile::set(const std::string& user, const std::string& key,
                         const std::string& value) {
  const User& found = *TRY(require(user));
  Lines lines = split(text_);
  const auto line = TRY(line_of(found, key, lines));
  std::string text = fmt::format("{} = {}\n", key, value);
  std::size_t keys = found.keys.size();
  if (line) {
    lines[*line] = std::move(text);
  } else {
    lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(found.line), std::move(text));
    ++keys;
  }
  return take(lines, user, keys);
}

Outcome<> UsersFile::unset(const std::string& user, const std::string& key) {
  const User& found = *TRY(require(user));
  Lines lines = split(text_);
  const auto line = TRY(line_of(found, key, lines));
  if (!line) return {};
  lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(*line));
  return take(lines, user, found.keys.size() - 1);
}

Outcome<> UsersFile::remove(const std::string& user) {
  const User& found = *TRY(require(user));
  Lines lines = split(text_);
  Range range = TRY(range_of(found, lines));
  while (range.begin > 0 && trimmed(lines[range.begin - 1]).starts_with('#')) --range.begin;
  const auto at = [&](std::size_t line) {
    return lines.begin() + static_cast<std::ptrdiff_t>(line);
  };
  lines.erase(at(range.begin), at(range.end));
  // One empty line between users is enough.
  if (range.begin > 0 && range.begin < lines.size() && trimmed(lines[range.begin]).empty() &&
      trimmed(lines[range.begin - 1]).empty())
    lines.erase(at(range.begin));
  return take(lines, user, std::nullopt);
}

}  // namespace culvert::cli
