// The forms in which a user's password is kept, and what can be done with each.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/secret.h"
#include "crypto/provider.h"

namespace culvert::eap {

// UTF-8, as it is typed; what every method can use.
struct ClearPassword {
  SecretBytes octets;
};
// MD4 of the password in UTF-16 (RFC 2759, 8.3): as good as the password itself for MSCHAPv2.
struct NtHash {
  SecretBytes octets;
};
// PBKDF2 (RFC 8018, 5.2) with HMAC-SHA-256 and 32 octets: for methods that show the password, which
// are GTC and TTLS with PAP.
struct PasswordHash {
  std::uint32_t iterations = 0;
  Bytes salt;
  SecretBytes octets;
};
using Password = std::variant<ClearPassword, NtHash, PasswordHash>;

inline constexpr std::size_t kNtHashSize = 16;
inline constexpr std::size_t kPasswordHashSize = 32;
inline constexpr std::uint32_t kPasswordIterations = 10'000;  // of those that hash_password makes

// "nt:" and 32 hexadecimal digits; "pbkdf2-sha256:ITERATIONS:SALT:HASH" with both in hexadecimal;
// "clear:" and the password. nullopt: none of these, or out of the limits.
std::optional<Password> parse_password(std::string_view text);
// For the last two forms, which may be shown in files; a clear password has none.
std::string to_string(const PasswordHash& hash);
std::string to_string(const NtHash& hash);
Password clone(const Password& password);

// A new hash with a salt of its own.
Result<PasswordHash> hash_password(Provider& provider, ByteView password,
                                   std::uint32_t iterations = kPasswordIterations);
NtHash nt_hash(ByteView password);

// The NT hash of a password in any form that leads to it.
std::optional<NtHash> nt_hash_of(const Password& password);
// The password itself, where it is kept so; empty otherwise.
std::optional<ByteView> clear_of(const Password& password);
// Whether `shown` is the password; takes as long when it is not.
bool verify(Provider& provider, const Password& password, ByteView shown);

}  // namespace culvert::eap
