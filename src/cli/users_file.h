// The file of users, which commands change and people edit too: lines that a change does not
// concern stay as they are, comments among them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/subcommand.h"
#include "config/document.h"

namespace culvert::cli {

class UsersFile {
 public:
  struct User {
    std::string name;
    bool enabled = true;
    std::optional<config::Moment> expires;
    config::Table keys;
    unsigned line = 0;  // of its header
  };

  // `name` is the file's, for sentences about it.
  static Outcome<UsersFile> parse(std::string text, std::string name);

  const std::vector<User>& users() const { return users_; }  // in the order of the file
  const User* find(std::string_view user) const;
  const std::string& text() const { return text_; }

  // Values are TOML. Each fails, and changes nothing, when the file would then not say exactly what
  // it should: it may have a form that only an editor can change.
  Outcome<> add(const std::string& user, const std::string& password);
  Outcome<> set(const std::string& user, const std::string& key, const std::string& value);
  Outcome<> unset(const std::string& user, const std::string& key);
  Outcome<> remove(const std::string& user);

 private:
  using Lines = std::vector<std::string>;
  struct Range {
    std::size_t begin, end;  // of lines, counted from 0
  };
  // The lines of a user: from the header to before what belongs to the next one.
  Outcome<Range> range_of(const User& user, const Lines& lines) const;
  // The line of a user's key; none: there is no such key.
  Outcome<std::optional<std::size_t>> line_of(const User& user, const std::string& key,
                                              const Lines& lines) const;
  Outcome<const User*> require(const std::string& user) const;
  // Takes the new text if it has the expected users with the expected numbers of keys.
  Outcome<> take(const Lines& lines, const std::string& user, std::optional<std::size_t> keys);
  std::string edit_by_hand(const std::string& user) const;

  std::string name_, text_;
  std::vector<User> users_;
};

// A key or a string as TOML writes it.
std::string toml_key(std::string_view text);
std::string toml_string(std::string_view text);
// "2030-12-31", or with a time "2030-12-31 18:00:00 UTC".
std::string to_string(const config::Moment& moment);
// When a user with this `expires` may no longer log in.
std::chrono::sys_seconds end_of(const config::Moment& moment);

}  // namespace culvert::cli
