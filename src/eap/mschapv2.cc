#include "eap/mschapv2.h"

#include <fmt/format.h>

#include <algorithm>

#include "eap/des.h"
#include "eap/md4.h"
#include "eap/method.h"
#include "eap/user_store.h"

namespace culvert::eap::mschapv2 {
namespace {

constexpr std::string_view kSigning = "Magic server to client signing constant";
constexpr std::string_view kIteration = "Pad to make it do more than one iteration";
constexpr std::string_view kMaster = "This is the MPPE Master Key";
constexpr std::string_view kServerReceives =
    "On the client side, this is the send key; on the server side, it is the receive key.";
constexpr std::string_view kServerSends =
    "On the client side, this is the receive key; on the server side, it is the send key.";

constexpr std::size_t kSha1Size = 20;
constexpr std::size_t kKeySize = 16;
using Sha1 = InlineSecret<kSha1Size>;

Result<Sha1> sha1(Provider& provider, std::initializer_list<ByteView> parts) {
  Sha1 digest;
  digest.resize(kSha1Size);
  CHECK_OK(provider.hash(Hash::sha1, parts, digest.mutable_view()));
  return digest;
}

// ChallengeHash: its first 8 octets are what DES encrypts.
Result<Sha1> challenge_hash(Provider& provider, const Inputs& inputs) {
  return sha1(provider, {inputs.peer_challenge, inputs.authenticator_challenge,
                         as_bytes(without_domain(inputs.user))});
}

InlineSecret<kMd4Size> hash_of_hash(const NtHash& password) {
  InlineSecret<kMd4Size> hash;
  hash.resize(kMd4Size);
  md4(password.octets.view(), hash.mutable_view());
  return hash;
}

Result<Sha1> start_key(Provider& provider, ByteView master, std::string_view magic) {
  static constexpr auto kPad1 = std::array<std::uint8_t, 40>{};
  auto pad2 = kPad1;
  pad2.fill(0xf2);
  return sha1(provider, {master, kPad1, as_bytes(magic), pad2});
}

}  // namespace

Result<Response> nt_response(Provider& provider, const Inputs& inputs, const NtHash& password) {
  const Sha1 challenge = TRY(challenge_hash(provider, inputs));
  InlineSecret<3 * kDesKey> keys(password.octets.view());  // the hash and zeros
  keys.resize(3 * kDesKey);
  Response response;
  for (std::size_t i = 0; i < 3; ++i)
    des_encrypt(keys.view().subspan(i * kDesKey, kDesKey), challenge.view().first(kDesBlock),
                MutableBytes(response).subspan(i * kDesBlock, kDesBlock));
  return response;
}

Result<Authenticator> authenticator_response(Provider& provider, const Inputs& inputs,
                                             const NtHash& password, ByteView nt_response) {
  const Sha1 challenge = TRY(challenge_hash(provider, inputs));
  const auto hash = hash_of_hash(password);
  const Sha1 first = TRY(sha1(provider, {hash.view(), nt_response, as_bytes(kSigning)}));
  const Sha1 second =
      TRY(sha1(provider, {first.view(), challenge.view().first(kDesBlock), as_bytes(kIteration)}));
  Authenticator result;
  std::ranges::copy(second.view(), result.begin());
  return result;
}

Result<SecretBytes> msk(Provider& provider, const NtHash& password, ByteView nt_response) {
  const auto hash = hash_of_hash(password);
  const Sha1 master = TRY(sha1(provider, {hash.view(), nt_response, as_bytes(kMaster)}));
  const ByteView master_key = master.view().first(kKeySize);
  const Sha1 receive = TRY(start_key(provider, master_key, kServerReceives));
  const Sha1 send = TRY(start_key(provider, master_key, kServerSends));
  SecretBytes key(kMskSize);
  const auto after = std::ranges::copy(receive.view().first(kKeySize), key.mutable_view().begin());
  std::ranges::copy(send.view().first(kKeySize), after.out);
  return key;
}

std::string hex(ByteView octets) {
  std::string text;
  for (const std::uint8_t octet : octets) text += fmt::format("{:02X}", octet);
  return text;
}

std::string to_text(const Authenticator& proof) { return "S=" + hex(proof); }

bool proves(std::string_view text, const Authenticator& expected) {
  std::string shown(text.substr(0, text.find(' ')));
  for (char& c : shown)
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
  return equal_constant_time(as_bytes(shown), as_bytes(to_text(expected)));
}

}  // namespace culvert::eap::mschapv2
