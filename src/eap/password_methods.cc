// MD5-Challenge and GTC, and the choice among the password methods.
#include "eap/password_methods.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"

namespace culvert::eap {
namespace {

constexpr std::size_t kMd5Size = 16;
using Digest = std::array<std::uint8_t, kMd5Size>;

// RFC 1994, 4.1: the hash of identifier, secret and challenge.
Result<Digest> md5_response(Provider& provider, std::uint8_t identifier, ByteView secret,
                            ByteView challenge) {
  Digest digest;
  CHECK_OK(provider.hash(Hash::md5, {{&identifier, 1}, secret, challenge}, digest));
  return digest;
}

// Value-Size, Value; what follows is a name of no consequence (RFC 1994, 4.1).
Result<ByteView> read_value(ByteView type_data) {
  Reader in(type_data);
  const std::size_t size = TRY(in.u8());
  if (size == 0) return in.bad(Reason::bad_length);
  return in.take(size);
}

Bytes write_value(ByteView value) {
  Bytes data{static_cast<std::uint8_t>(value.size())};
  append(data, value);
  return data;
}

Turn malformed() { return Turn::fail(Failure::protocol_error, "malformed MD5-Challenge"); }

class Md5Server final : public Method {
 public:
  Md5Server(const PasswordServer& server, const std::string& user) : server_(server), user_(user) {}
  Type type() const override { return kMd5; }
  std::string_view user() const override { return user_; }

  Turn begin(std::uint8_t identifier) override {
    identifier_ = identifier;
    server_.provider.random(challenge_);
    return Turn::send(write_value(challenge_));
  }
  Turn receive(const Packet& packet) override {
    const auto value = read_value(packet.data);
    if (!value || value->size() != kMd5Size) return malformed();
    const User* user = server_.users.find(user_);
    const Password& password = server_.users.password_or_decoy(user);
    const auto clear = clear_of(password);
    const auto expected =
        md5_response(server_.provider, identifier_, clear.value_or(ByteView{}), challenge_);
    if (!expected) return Turn::fail(Failure::internal, "MD5 is not available");
    const bool good = equal_constant_time(*expected, *value);
    if (user && !clear) return Turn::fail(Failure::unusable_secret);
    if (user && !good) return Turn::fail(Failure::wrong_password);
    if (auto refusal = refusal_of(user, server_.now)) return Turn::fail(refusal->why);
    user_ = user->name;
    return Turn::succeed();
  }

 private:
  PasswordServer server_;
  std::string user_;
  std::uint8_t identifier_ = 0;
  Digest challenge_{};
};

class Md5Peer final : public Method {
 public:
  Md5Peer(Provider& provider, const std::string& user, Password password)
      : provider_(provider), user_(user), password_(std::move(password)) {}
  Type type() const override { return kMd5; }

  Turn receive(const Packet& packet) override {
    const auto challenge = read_value(packet.data);
    if (!challenge) return malformed();
    const auto clear = clear_of(password_);
    if (!clear) return Turn::fail(Failure::no_credential, "EAP-MD5 needs a clear password");
    const auto digest = md5_response(provider_, packet.identifier, *clear, *challenge);
    if (!digest) return Turn::fail(Failure::internal, "MD5 is not available");
    Bytes data = write_value(*digest);
    append(data, as_bytes(user_));
    return Turn::succeed_with(std::move(data));
  }

 private:
  Provider& provider_;
  std::string user_;
  Password password_;
};

class GtcServer final : public Method {
 public:
  GtcServer(const PasswordServer& server, const std::string& user) : server_(server), user_(user) {}
  Type type() const override { return kGtc; }
  std::string_view user() const override { return user_; }

  Turn begin(std::uint8_t) override { return Turn::send(to_bytes(as_bytes("Password: "))); }
  Turn receive(const Packet& packet) override {
    const User* user = server_.users.find(user_);
    const Password& password = server_.users.password_or_decoy(user);
    const bool good = verify(server_.provider, password, packet.data);
    if (user && !good) return Turn::fail(Failure::wrong_password);
    if (auto refusal = refusal_of(user, server_.now)) return Turn::fail(refusal->why);
    user_ = user->name;
    return Turn::succeed();
  }

 private:
  PasswordServer server_;
  std::string user_;
};

class GtcPeer final : public Method {
 public:
  explicit GtcPeer(Password password) : password_(std::move(password)) {}
  Type type() const override { return kGtc; }

  // The same password whatever is asked; a server that goes on asking is one that refuses it.
  Turn receive(const Packet&) override {
    const auto clear = clear_of(password_);
    if (!clear) return Turn::fail(Failure::no_credential, "EAP-GTC needs a clear password");
    if (std::exchange(shown_, true)) return Turn::fail(Failure::refused);
    return Turn::succeed_with(to_bytes(*clear));
  }

 private:
  Password password_;
  bool shown_ = false;
};

}  // namespace

std::unique_ptr<Method> make_md5_server(const PasswordServer& server, const std::string& user) {
  return std::make_unique<Md5Server>(server, user);
}
std::unique_ptr<Method> make_gtc_server(const PasswordServer& server, const std::string& user) {
  return std::make_unique<GtcServer>(server, user);
}
std::unique_ptr<Method> make_md5_peer(Provider& provider, const std::string& user,
                                      Password password) {
  return std::make_unique<Md5Peer>(provider, user, std::move(password));
}
std::unique_ptr<Method> make_gtc_peer(Password password) {
  return std::make_unique<GtcPeer>(std::move(password));
}

std::optional<Offer> offer_password_server(Type type, const PasswordServer& server) {
  const auto offer = [&](auto make) {
    return Offer{type, [=](const std::string& user) { return make(server, user); }};
  };
  if (type == kMd5) return offer(make_md5_server);
  if (type == kGtc) return offer(make_gtc_server);
  if (type == kMschapv2)
    return offer([](const PasswordServer& with, const std::string& user) {
      return make_mschapv2_server(with, user);
    });
  return std::nullopt;
}

std::optional<Offer> offer_password_peer(Type type, Provider& provider, const std::string& user,
                                         const Password& password) {
  if (type != kMd5 && type != kGtc && type != kMschapv2) return std::nullopt;
  return Offer{type, [=, &provider, &password](const std::string&) {
                 if (type == kMd5) return make_md5_peer(provider, user, clone(password));
                 if (type == kGtc) return make_gtc_peer(clone(password));
                 return make_mschapv2_peer(provider, user, clone(password));
               }};
}

}  // namespace culvert::eap
