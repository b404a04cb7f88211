#include "eap/user_store.h"

#include <algorithm>
#include <utility>

namespace culvert::eap {
namespace {

// Nobody knows a password with these results: finding one is to invert the hash.
Password decoy_like(const Password& password) {
  if (const auto* hash = std::get_if<PasswordHash>(&password))
    return PasswordHash{hash->iterations, hash->salt, SecretBytes(kPasswordHashSize)};
  return NtHash{SecretBytes(kNtHashSize)};
}

}  // namespace

UserStore::UserStore() : decoy_(decoy_like(ClearPassword{})) {}

void UserStore::add(User user) {
  decoy_ = decoy_like(user.password);
  std::string name = user.name;
  users_.insert_or_assign(std::move(name), std::move(user));
}

bool UserStore::remove(std::string_view name) {
  const auto found = users_.find(name);
  if (found == users_.end()) return false;
  users_.erase(found);
  return true;
}

void UserStore::clear() { users_.clear(); }

std::vector<std::string> UserStore::names() const {
  std::vector<std::string> names;
  for (const auto& [name, user] : users_) names.push_back(name);
  std::ranges::sort(names);
  return names;
}

const User* UserStore::find(std::string_view name) const {
  auto found = users_.find(name);
  if (found == users_.end()) found = users_.find(without_domain(name));
  return found == users_.end() ? nullptr : &found->second;
}

const Password& UserStore::password_or_decoy(const User* user) const {
  return user ? user->password : decoy_;
}

std::string_view without_domain(std::string_view name) {
  const std::size_t backslash = name.find('\\');
  return backslash == std::string_view::npos ? name : name.substr(backslash + 1);
}

std::optional<Refusal> refusal_of(const User* user, std::chrono::sys_seconds now) {
  if (!user) return Refusal{Failure::no_such_user, {}};
  if (!user->enabled) return Refusal{Failure::user_disabled, {}};
  if (user->expires && *user->expires <= now) return Refusal{Failure::user_expired, {}};
  return std::nullopt;
}

}  // namespace culvert::eap
