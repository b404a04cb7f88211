// EAP-MSCHAPv2, both sides:
//
//   server                                             peer
//   Challenge (random, name)                       ->
//                                                  <-  Response (random, NT-Response, name)
//   Success (S= the server's own proof)            ->
//                                                  <-  Success
//   or Failure (E= why, R=1 to try again, C= random) -> and another Response, or Failure
//
// The identifier and the length inside are EAP's over again and are not looked at.
#include <algorithm>
#include <charconv>
#include <utility>

#include "eap/mschapv2.h"
#include "eap/password_methods.h"

namespace culvert::eap {
namespace {

using mschapv2::Challenge;
using mschapv2::Inputs;

enum class Opcode : std::uint8_t {
  challenge = 1,
  response = 2,
  success = 3,
  failure = 4,
  change_password = 7
};

constexpr std::size_t kValueSize = 49;  // of a Response
constexpr std::size_t kReserved = 8;
constexpr std::string_view kOurName = "culvert";

Bytes message(Opcode opcode, std::uint8_t id, std::initializer_list<ByteView> parts) {
  Bytes data;
  Writer out(data);
  out.u8(static_cast<std::uint8_t>(opcode));
  out.u8(id);
  const LengthScope length(out, 0);
  for (const ByteView part : parts) out.bytes(part);
  return data;
}

Bytes only(Opcode opcode) { return {static_cast<std::uint8_t>(opcode)}; }

struct Header {
  Opcode opcode;
  std::uint8_t id = 0;
  Reader body;
};
Result<Header> read_header(ByteView type_data) {
  Reader in(type_data);
  Header header{Opcode{TRY(in.u8())}, 0, in};
  if (in.empty()) return header;  // Success and Failure of a peer
  header.id = TRY(in.u8());
  CHECK_OK(in.u16());
  header.body = in;
  return header;
}

// The value of "X=…" in the text of a Success or Failure, where M= comes last and may hold spaces.
std::string_view field(std::string_view text, std::string_view name) {
  const bool last = name == "M=";
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (text.starts_with(name))
      return text.substr(name.size(), last ? std::string_view::npos : end - name.size());
    if (text.starts_with("M=")) break;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

Turn malformed() { return Turn::fail(Failure::protocol_error, "malformed MSCHAPv2 message"); }
Turn out_of_turn() { return Turn::fail(Failure::protocol_error, "MSCHAPv2 message out of turn"); }
Turn no_crypto() { return Turn::fail(Failure::internal, "SHA-1 is not available"); }

class Mschapv2Server final : public Method {
 public:
  Mschapv2Server(const PasswordServer& server, const std::string& user, unsigned retries)
      : server_(server), user_(user), retries_(retries) {}
  Type type() const override { return kMschapv2; }
  ByteView msk() const override { return msk_.view(); }
  std::string_view user() const override { return user_; }

  Turn begin(std::uint8_t identifier) override {
    server_.provider.random(challenge_);
    const std::uint8_t size[] = {mschapv2::kChallengeSize};
    return Turn::send(
        message(Opcode::challenge, identifier, {size, challenge_, as_bytes(kOurName)}));
  }

  Turn receive(const Packet& packet) override {
    auto header = read_header(packet.data);
    if (!header) return malformed();
    if (header->opcode == Opcode::change_password)
      return Turn::fail(
          refused_.value_or(Failure::wrong_password),
          "the peer wants to change the password, which is done here by the operator");
    if (header->opcode == Opcode::failure && refused_) return Turn::fail(*refused_);
    if (header->opcode == Opcode::success && proven_) return Turn::succeed();
    if (header->opcode == Opcode::failure && proven_)
      return Turn::fail(Failure::peer_gave_up, "it does not accept our proof of the password");
    if (header->opcode != Opcode::response || proven_) return out_of_turn();
    return check(header->body, next_identifier(packet));
  }

 private:
  Turn check(Reader& body, std::uint8_t next) {
    const auto value_size = body.u8();
    const auto value = body.take(kValueSize);
    if (!value || *value_size != kValueSize) return malformed();
    const std::string_view name = as_text(body.rest());
    if (!name.empty()) user_ = name;
    const Inputs inputs{challenge_, value->first(mschapv2::kChallengeSize), user_};
    const ByteView response =
        value->subspan(mschapv2::kChallengeSize + kReserved, mschapv2::kResponseSize);

    const User* user = server_.users.find(user_);
    const auto hash = nt_hash_of(server_.users.password_or_decoy(user));
    if (!hash) {
      if (user) return Turn::fail(Failure::unusable_secret);
      return refuse(Failure::no_such_user, next);
    }
    const auto expected = mschapv2::nt_response(server_.provider, inputs, *hash);
    if (!expected) return no_crypto();
    const bool good = equal_constant_time(*expected, response);
    if (!user || !good) return refuse(user ? Failure::wrong_password : Failure::no_such_user, next);
    if (auto refusal = refusal_of(user, server_.now)) return Turn::fail(refusal->why);
    return prove(user->name, inputs, *hash, response, next);
  }

  Turn prove(const std::string& name, const Inputs& inputs, const NtHash& hash, ByteView response,
             std::uint8_t next) {
    const auto proof = mschapv2::authenticator_response(server_.provider, inputs, hash, response);
    auto msk = mschapv2::msk(server_.provider, hash, response);
    if (!proof || !msk) return no_crypto();
    proven_ = true;
    user_ = name;
    msk_ = std::move(*msk);
    const std::string text = mschapv2::to_text(*proof) + " M=OK";
    return Turn::send(message(Opcode::success, next, {as_bytes(text)}));
  }

  // Unknown users may try as often as known ones.
  Turn refuse(Failure why, std::uint8_t next) {
    refused_ = why;
    if (retries_ == 0) return Turn::fail(why);
    --retries_;
    server_.provider.random(challenge_);
    const std::string text =
        "E=691 R=1 C=" + mschapv2::hex(challenge_) + " V=3 M=Wrong name or password";
    return Turn::retry(message(Opcode::failure, next, {as_bytes(text)}), why);
  }

  PasswordServer server_;
  std::string user_;
  unsigned retries_;
  Challenge challenge_{};
  std::optional<Failure> refused_;  // why the last attempt was
  bool proven_ = false;
  SecretBytes msk_;
};

class Mschapv2Peer final : public Method {
 public:
  Mschapv2Peer(Provider& provider, const std::string& user, Password password)
      : provider_(provider), user_(user), password_(std::move(password)) {}
  Type type() const override { return kMschapv2; }
  ByteView msk() const override { return msk_.view(); }

  Turn receive(const Packet& packet) override {
    auto header = read_header(packet.data);
    if (!header) return malformed();
    if (state_ == State::expecting_challenge && header->opcode == Opcode::challenge)
      return answer(header->body, header->id);
    if (state_ == State::expecting_result && header->opcode == Opcode::success)
      return believe(as_text(header->body.rest()));
    if (state_ == State::expecting_result && header->opcode == Opcode::failure)
      return accept_failure(as_text(header->body.rest()));
    return out_of_turn();
  }

 private:
  enum class State : std::uint8_t { expecting_challenge, expecting_result, done };

  Turn answer(Reader& body, std::uint8_t id) {
    const auto size = body.u8();
    const auto authenticator_challenge = body.take(mschapv2::kChallengeSize);
    if (!authenticator_challenge || *size != mschapv2::kChallengeSize) return malformed();
    const auto hash = nt_hash_of(password_);
    if (!hash)
      return Turn::fail(Failure::no_credential, "EAP-MSCHAPv2 needs a clear password or NT hash");
    Challenge peer_challenge;
    provider_.random(peer_challenge);
    const Inputs inputs{*authenticator_challenge, peer_challenge, user_};
    const auto response = mschapv2::nt_response(provider_, inputs, *hash);
    if (!response) return no_crypto();
    const auto proof = mschapv2::authenticator_response(provider_, inputs, *hash, *response);
    auto msk = mschapv2::msk(provider_, *hash, *response);
    if (!proof || !msk) return no_crypto();
    expected_ = *proof;
    msk_ = std::move(*msk);
    state_ = State::expecting_result;
    static constexpr std::uint8_t kSize[] = {kValueSize}, kZeros[kReserved] = {}, kFlags[] = {0};
    return Turn::send(message(Opcode::response, id,
                              {kSize, peer_challenge, kZeros, *response, kFlags, as_bytes(user_)}));
  }

  Turn believe(std::string_view text) {
    if (!mschapv2::proves(text, expected_)) return Turn::fail(Failure::server_not_trusted);
    state_ = State::done;
    return Turn::succeed_with(only(Opcode::success));
  }

  // A retry would need another password, and there is only this one.
  Turn accept_failure(std::string_view text) {
    state_ = State::done;
    const std::string_view code = field(text, "E="), words = field(text, "M=");
    std::string detail = "E=" + printable(code);
    if (!words.empty()) detail += ", \"" + printable(words) + "\"";
    const Failure why = code == "648" ? Failure::password_expired : Failure::refused;
    return Turn::fail_with(only(Opcode::failure), why, std::move(detail));
  }

  Provider& provider_;
  std::string user_;
  Password password_;
  State state_ = State::expecting_challenge;
  mschapv2::Authenticator expected_{};
  SecretBytes msk_;
};

}  // namespace

std::unique_ptr<Method> make_mschapv2_server(const PasswordServer& server, const std::string& user,
                                             unsigned retries) {
  return std::make_unique<Mschapv2Server>(server, user, retries);
}

std::unique_ptr<Method> make_mschapv2_peer(Provider& provider, const std::string& user,
                                           Password password) {
  return std::make_unique<Mschapv2Peer>(provider, user, std::move(password));
}

}  // namespace culvert::eap
