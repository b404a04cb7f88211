#include "cli/credentials.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/limits.h"
#include "config/table_reader.h"

namespace culvert::cli {
namespace {

// Without letters and digits that are taken for others; 79 bits of entropy in sixteen of them.
constexpr std::string_view kPasswordAlphabet = "abcdefghjkmnpqrstuvwxyz23456789";
constexpr std::size_t kPasswordLength = 16, kPasswordGroup = 4;
constexpr unsigned kFairOctets = 256 / kPasswordAlphabet.size() * kPasswordAlphabet.size();

}  // namespace

Outcome<> check_user_name(const std::string& name) {
  const bool printable_name = std::ranges::none_of(name, [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7f;
  });
  if (!name.empty() && name.size() <= limits::kMaxEapIdentity && printable_name) return {};
  return std::unexpected(fmt::format("{} is no user name", config::in_quotes(name)));
}

std::string make_password(Provider& provider) {
  std::string password;
  for (std::size_t count = 0; count < kPasswordLength;) {
    std::uint8_t octet = 0;
    provider.random({&octet, 1});
    if (octet >= kFairOctets) continue;
    if (count != 0 && count % kPasswordGroup == 0) password += '-';
    password += kPasswordAlphabet[octet % kPasswordAlphabet.size()];
    ++count;
  }
  return password;
}

}  // namespace culvert::cli
