// The options of swanctl.conf's connections, one row each, and the drafts they fill.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "policy/connection.h"

namespace culvert::vici {

template <class T>
struct Option {
  // On failure: what the value should have been ("a time such as 30s").
  using Set = std::expected<void, std::string> (*)(T& draft, std::string_view value);
  std::string_view name;
  Set set = nullptr;  // nullptr: strongSwan has it, we do not; only `standard` is accepted
  std::string_view standard{};
  bool list = false;
};

// Values that have a default only once all options are known.
struct ConnectionDraft {
  ConnectionConfig config;
  std::optional<Duration> rekey_time, reauth_time, over_time, rand_time;
};
struct ChildDraft {
  ChildConfig config;
  std::optional<Duration> rekey_time, life_time, rand_time;
  std::optional<std::uint64_t> rekey_bytes, life_bytes, rand_bytes;
  std::optional<std::uint64_t> rekey_packets, life_packets, rand_packets;
};
struct AuthDraft {
  AuthConfig config{.kind = AuthKind::pubkey};
};

std::span<const Option<ConnectionDraft>> connection_options();
std::span<const Option<ChildDraft>> child_options();
std::span<const Option<AuthDraft>> auth_options();

// An option's name as a client sent it, fit for a message.
std::string quoted_name(std::string_view name);

}  // namespace culvert::vici
