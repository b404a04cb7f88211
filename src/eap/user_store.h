// The users that this machine knows, by name.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "eap/method.h"
#include "eap/password.h"

namespace culvert::eap {

struct User {
  std::string name;  // any octets; compared as they are
  Password password;
  bool enabled = true;
  std::optional<std::chrono::sys_seconds> expires;
  std::string group;
};

class UserStore {
 public:
  UserStore();
  UserStore(UserStore&&) = default;
  UserStore& operator=(UserStore&&) = default;

  // Replaces the user of the same name.
  void add(User user);
  bool remove(std::string_view name);
  void clear();
  std::vector<std::string> names() const;  // sorted
  std::size_t size() const { return users_.size(); }

  // By the whole name; failing that, by what follows the backslash of Windows's "DOMAIN\\name".
  // nullptr: no such user. Valid until the next change.
  const User* find(std::string_view name) const;
  // The user's password, or one of the same form as the others have and that is nobody's, so that a
  // method takes as long with unknown users.
  const Password& password_or_decoy(const User* user) const;

 private:
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const {
      return std::hash<std::string_view>{}(name);
    }
  };
  std::unordered_map<std::string, User, NameHash, std::equal_to<>> users_;
  Password decoy_;
};

// What follows the first backslash: MSCHAPv2 leaves the domain out (RFC 2759, 4).
std::string_view without_domain(std::string_view name);

// Whether a user who has shown the password may come in; `user` is nullptr for an unknown one.
std::optional<Refusal> refusal_of(const User* user, std::chrono::sys_seconds now);

}  // namespace culvert::eap
