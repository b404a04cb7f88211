#include "eap/password.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/limits.h"
#include "eap/md4.h"

namespace culvert::eap {
namespace {

constexpr std::size_t kMaxSalt = 64;
constexpr std::size_t kSaltSize = 16;

std::optional<Bytes> parse_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes octets(text.size() / 2);
  for (std::size_t i = 0; i < octets.size(); ++i) {
    const char* at = text.data() + 2 * i;
    const auto [end, error] = std::from_chars(at, at + 2, octets[i], 16);
    if (error != std::errc() || end != at + 2) return std::nullopt;
  }
  return octets;
}

std::string hex(ByteView octets) {
  std::string text;
  for (const std::uint8_t octet : octets) text += fmt::format("{:02x}", octet);
  return text;
}

std::string_view take_field(std::string_view& text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  const std::string_view field = text.substr(0, colon);
  text.remove_prefix(std::min(colon + 1, text.size()));
  return field;
}

std::optional<Password> parse_pbkdf2(std::string_view text) {
  const std::string_view number = take_field(text);
  PasswordHash hash;
  const char* const end = number.data() + number.size();
  const auto [stopped, error] = std::from_chars(number.data(), end, hash.iterations);
  const auto salt = parse_hex(take_field(text)), octets = parse_hex(text);
  if (error != std::errc() || stopped != end || hash.iterations == 0 ||
      hash.iterations > limits::kMaxPasswordIterations || !salt || salt->size() > kMaxSalt ||
      !octets || octets->size() != kPasswordHashSize)
    return std::nullopt;
  hash.salt = *salt;
  hash.octets = SecretBytes(*octets);
  return hash;
}

// One block of PBKDF2 is all that 32 octets need.
Result<SecretBytes> pbkdf2(Provider& provider, ByteView password, ByteView salt,
                           std::uint32_t iterations) {
  static constexpr std::uint8_t kFirstBlock[] = {0, 0, 0, 1};
  SecretBytes sum(kPasswordHashSize), u(kPasswordHashSize);
  CHECK_OK(provider.prf(Prf::hmac_sha2_256, password, {salt, kFirstBlock}, u.mutable_view()));
  std::ranges::copy(u.view(), sum.mutable_view().begin());
  for (std::uint32_t i = 1; i < iterations; ++i) {
    SecretBytes next(kPasswordHashSize);
    CHECK_OK(provider.prf(Prf::hmac_sha2_256, password, {u.view()}, next.mutable_view()));
    u = std::move(next);
    for (std::size_t j = 0; j < kPasswordHashSize; ++j) sum.mutable_view()[j] ^= u.view()[j];
  }
  return sum;
}

// The next character of UTF-8. What is no UTF-8 stands for itself, octet by octet, as it does in
// Latin-1.
char32_t next_character(ByteView& text) {
  const std::uint8_t lead = text[0];
  const std::size_t size = lead < 0xc2   ? 1
                           : lead < 0xe0 ? 2
                           : lead < 0xf0 ? 3
                           : lead < 0xf5 ? 4
                                         : 1;
  char32_t character = size == 1 ? lead : lead & (0x7fu >> size);
  bool good = size <= text.size();
  for (std::size_t i = 1; good && i < size; ++i) {
    good = (text[i] & 0xc0) == 0x80;
    character = character << 6 | (text[i] & 0x3f);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = character >= 0xd800 && character < 0xe000;
  good = good && character >= kLeast[size] && character < 0x110000 && !surrogate;
  text = text.subspan(good ? size : 1);
  return good ? character : lead;
}

SecretBytes utf16(ByteView text) {
  SecretBytes units(4 * text.size());
  std::size_t size = 0;
  const auto put = [&](char32_t unit) {
    units.mutable_view()[size++] = static_cast<std::uint8_t>(unit);
    units.mutable_view()[size++] = static_cast<std::uint8_t>(unit >> 8);
  };
  while (!text.empty()) {
    const char32_t character = next_character(text);
    if (character < 0x10000) {
      put(character);
      continue;
    }
    put(0xd800 + ((character - 0x10000) >> 10));
    put(0xdc00 + ((character - 0x10000) & 0x3ff));
  }
  return SecretBytes(units.view().first(size));
}

}  // namespace

std::optional<Password> parse_password(std::string_view text) {
  const std::string_view form = take_field(text);
  if (form == "clear" && text.size() <= limits::kMaxPassword)
    return ClearPassword{SecretBytes(as_bytes(text))};
  if (form == "pbkdf2-sha256") return parse_pbkdf2(text);
  if (form != "nt") return std::nullopt;
  const auto octets = parse_hex(text);
  if (!octets || octets->size() != kNtHashSize) return std::nullopt;
  return NtHash{SecretBytes(*octets)};
}

std::string to_string(const PasswordHash& hash) {
  return fmt::format("pbkdf2-sha256:{}:{}:{}", hash.iterations, hex(hash.salt),
                     hex(hash.octets.view()));
}

std::string to_string(const NtHash& hash) { return "nt:" + hex(hash.octets.view()); }

Password clone(const Password& password) {
  if (const auto* clear = std::get_if<ClearPassword>(&password))
    return ClearPassword{clear->octets.clone()};
  if (const auto* nt = std::get_if<NtHash>(&password)) return NtHash{nt->octets.clone()};
  const auto& hash = std::get<PasswordHash>(password);
  return PasswordHash{hash.iterations, hash.salt, hash.octets.clone()};
}

Result<PasswordHash> hash_password(Provider& provider, ByteView password,
                                   std::uint32_t iterations) {
  PasswordHash hash;
  hash.iterations = iterations;
  hash.salt.resize(kSaltSize);
  provider.random(hash.salt);
  hash.octets = TRY(pbkdf2(provider, password, hash.salt, iterations));
  return hash;
}

NtHash nt_hash(ByteView password) {
  NtHash hash{SecretBytes(kNtHashSize)};
  md4(utf16(password).view(), hash.octets.mutable_view());
  return hash;
}

std::optional<NtHash> nt_hash_of(const Password& password) {
  if (const auto* nt = std::get_if<NtHash>(&password)) return NtHash{nt->octets.clone()};
  if (const auto clear = clear_of(password)) return nt_hash(*clear);
  return std::nullopt;
}

std::optional<ByteView> clear_of(const Password& password) {
  const auto* clear = std::get_if<ClearPassword>(&password);
  return clear ? std::optional(clear->octets.view()) : std::nullopt;
}

bool verify(Provider& provider, const Password& password, ByteView shown) {
  if (shown.size() > limits::kMaxPassword) return false;
  if (const auto clear = clear_of(password)) return equal_constant_time(*clear, shown);
  if (const auto* nt = std::get_if<NtHash>(&password))
    return equal_constant_time(nt->octets.view(), nt_hash(shown).octets.view());
  const auto& hash = std::get<PasswordHash>(password);
  const auto octets = pbkdf2(provider, shown, hash.salt, hash.iterations);
  return octets && equal_constant_time(hash.octets.view(), octets->view());
}

}  // namespace culvert::eap
