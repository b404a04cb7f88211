#include "radius/signature.h"

#include <gtest/gtest.h>

#include "tests/unit/radius/fake_server.h"

namespace culvert::radius {
namespace {

class SignatureTest : public testing::Test {
 protected:
  static Authenticator authenticator_of(ByteView packet) {
    Authenticator out;
    std::ranges::copy(packet.subspan(4, 16), out.begin());
    return out;
  }
  Distrust check(std::string_view secret, std::string_view request, std::string_view response,
                 Code code) {
    const auto packet = Packet::decode(from_hex(response));
    EXPECT_TRUE(packet);
    return check_response(*provider_, as_bytes(secret), *packet, code,
                          authenticator_of(from_hex(request)))
        .value();
  }
  std::unique_ptr<Provider> provider_ = make_openssl_provider();
};

constexpr std::string_view kSecret2865 = "xyzzy5461";
// RFC 2865, 7.1 to 7.3
constexpr std::string_view kNemo =
    "01 00 00 38 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a 01 06 6e 65 6d 6f 02 12 0d be 70 "
    "8d 93 d4 13 ce 31 96 e4 3f 78 2a 0a ee 04 06 c0 a8 01 10 05 06 00 00 00 03";
constexpr std::string_view kNemoAccept =
    "02 00 00 26 86 fe 22 0e 76 24 ba 2a 10 05 f6 bf 9b 55 e0 b2 06 06 00 00 00 01 0f 06 00 00 00 "
    "00 0e 06 c0 a8 01 03";
constexpr std::string_view kMopsy =
    "01 02 00 39 f3 a4 7a 1f 6a 6d 76 71 0b 94 7a b9 30 41 a0 39 01 07 6d 6f 70 73 79 02 12 33 65 "
    "75 73 77 82 89 b5 70 88 5e 15 08 48 25 c5 04 06 c0 a8 01 10 05 06 00 00 00 07";
constexpr std::string_view kMopsyChallenge =
    "0b 02 00 4e 36 f3 c8 76 4a e8 c7 11 57 40 3c 0c 71 ff 9c 45 12 30 43 68 61 6c 6c 65 6e 67 65 "
    "20 33 32 37 36 39 34 33 30 2e 20 20 45 6e 74 65 72 20 72 65 73 70 6f 6e 73 65 20 61 74 20 70 "
    "72 6f 6d 70 74 2e 18 0a 33 32 37 36 39 34 33 30";

TEST_F(SignatureTest, PasswordsOfRfc2865) {
  const auto nemo = from_hex(kNemo);
  EXPECT_EQ(hide_password(*provider_, as_bytes(kSecret2865), authenticator_of(nemo),
                          as_bytes("arctangent"))
                .value(),
            from_hex("0dbe708d93d413ce3196e43f782a0aee"));
  EXPECT_EQ(hide_password(*provider_, as_bytes(kSecret2865), authenticator_of(from_hex(kMopsy)),
                          as_bytes("challenge"))
                .value(),
            from_hex("336575737782 89b570885e15084825c5"));
  const Authenticator zeros{};
  EXPECT_EQ(hide_password(*provider_, {}, zeros, Bytes(17)).value().size(), 32u);
  EXPECT_FALSE(hide_password(*provider_, {}, zeros, Bytes(kMaxPasswordSize + 1)));
}

TEST_F(SignatureTest, ResponseAuthenticatorsOfRfc2865) {
  // They have no Message-Authenticator: what follows once the authenticator is right.
  EXPECT_EQ(check(kSecret2865, kNemo, kNemoAccept, Code::access_request),
            Distrust::missing_message_authenticator);
  EXPECT_EQ(check(kSecret2865, kMopsy, kMopsyChallenge, Code::access_request),
            Distrust::missing_message_authenticator);
  EXPECT_EQ(check("xyzzy5462", kNemo, kNemoAccept, Code::access_request),
            Distrust::bad_authenticator);
  EXPECT_EQ(check(kSecret2865, kMopsy, kNemoAccept, Code::access_request),
            Distrust::bad_authenticator);
}

TEST_F(SignatureTest, StatusServerOfRfc5997) {
  // 6.1: the same authenticator, which is random, would give the same packet.
  class Fixed final : public Provider {
   public:
    explicit Fixed(Provider& real) : real_(real) {}
    bool supports(const CipherSpec& spec) const override { return real_.supports(spec); }
    bool supports(Prf prf) const override { return real_.supports(prf); }
    bool supports(Ke method) const override { return real_.supports(method); }
    void random(MutableBytes out) override {
      std::ranges::copy(from_hex("8a54f4686fb394c52866e302185d0623"), out.begin());
    }
    Result<> prf(Prf prf, ByteView key, std::initializer_list<ByteView> parts,
                 MutableBytes out) override {
      return real_.prf(prf, key, parts, out);
    }
    Result<> hash(Hash hash, std::initializer_list<ByteView> parts, MutableBytes out) override {
      return real_.hash(hash, parts, out);
    }
    Result<> aes128_block(ByteView key, ByteView block, MutableBytes out) override {
      return real_.aes128_block(key, block, out);
    }
    Result<std::unique_ptr<KeyExchange>> generate(Ke method) override {
      return real_.generate(method);
    }
    Result<> seal(const CipherSpec& spec, const Operands& operands, MutableBytes data,
                  MutableBytes icv) override {
      return real_.seal(spec, operands, data, icv);
    }
    Result<> open(const CipherSpec& spec, const Operands& operands, MutableBytes data,
                  ByteView icv) override {
      return real_.open(spec, operands, data, icv);
    }

    Result<PublicKeyRef> load_public_key(ByteView spki) override {
      return real_.load_public_key(spki);
    }
    Result<> verify(const PublicKey& key, const SignatureScheme& scheme,
                    std::initializer_list<ByteView> parts, ByteView signature) override {
      return real_.verify(key, scheme, parts, signature);
    }

   private:
    Provider& real_;
  } fixed(*provider_);
  const auto request =
      sign_request(fixed, as_bytes(kSecret2865), {.code = Code::status_server, .identifier = 218});
  ASSERT_TRUE(request);
  const std::string_view expected =
      "0c da 00 26 8a 54 f4 68 6f b3 94 c5 28 66 e3 02 18 5d 06 23 50 12 5a 66 5e 2e 1e 84 11 f3 "
      "e2 43 82 20 97 c8 4f a3";
  EXPECT_EQ(request->octets, from_hex(expected));
  EXPECT_EQ(
      check(kSecret2865, expected, "02da0014ef0d552a4bf2d693ec2b6fe8b5411d66", Code::status_server),
      Distrust::none);
}

TEST_F(SignatureTest, MessageAuthenticatorComesFirst) {
  Bytes attributes;
  AttributeWriter(attributes).add(Type::user_name, "nemo");
  const auto request = sign_request(*provider_, as_bytes("secret"),
                                    {.code = Code::access_request, .attributes = attributes});
  ASSERT_TRUE(request);
  const auto packet = Packet::decode(request->octets);
  EXPECT_EQ(packet->at(0).type, Type::message_authenticator);
  EXPECT_EQ(packet->at(1).type, Type::user_name);
}

TEST_F(SignatureTest, AccountingIsSignedWithZerosForTheAuthenticator) {
  const auto request =
      sign_request(*provider_, as_bytes("secret"), {.code = Code::accounting_request});
  ASSERT_TRUE(request);
  Bytes with_zeros = request->octets;
  std::fill(with_zeros.begin() + 4, with_zeros.end(), 0);
  Bytes digest(16);
  ASSERT_TRUE(provider_->hash(Hash::md5, {with_zeros, as_bytes("secret")}, digest));
  EXPECT_TRUE(equal(digest, ByteView(request->octets).subspan(4, 16)));
}

TEST_F(SignatureTest, MessageAuthenticatorIsDemandedAndChecked) {
  FakeServer server(*provider_, "secret");
  const auto request = sign_request(*provider_, as_bytes("secret"), {.code = Code::access_request});
  const auto verdict = [&](FakeServer::Fault fault, Code asked) {
    const auto answer = Packet::decode(
        server.answer(request->octets, Code::access_accept, Bytes{18, 3, 'x'}, fault));
    return check_response(*provider_, as_bytes("secret"), *answer, asked, request->authenticator)
        .value();
  };
  using Fault = FakeServer::Fault;
  EXPECT_EQ(verdict(Fault::none, Code::access_request), Distrust::none);
  EXPECT_EQ(verdict(Fault::wrong_secret, Code::access_request), Distrust::bad_authenticator);
  EXPECT_EQ(verdict(Fault::no_message_authenticator, Code::access_request),
            Distrust::missing_message_authenticator);
  EXPECT_EQ(verdict(Fault::no_message_authenticator, Code::accounting_request), Distrust::none);
  for (const Fault fault : {Fault::wrong_message_authenticator, Fault::short_message_authenticator})
    for (const Code asked : {Code::access_request, Code::accounting_request})
      EXPECT_EQ(verdict(fault, asked), Distrust::bad_message_authenticator);
}

TEST_F(SignatureTest, RevealsMppeKeys) {
  Authenticator authenticator;
  for (std::uint8_t i = 0; i < 16; ++i) authenticator[i] = i;
  // Made by a few lines of Python after RFC 2548, 2.4.2: salt 8102, key 40…5f.
  const Bytes hidden = from_hex(
      "8102690eadfb8573432cfc6aa3608bebcf5dfde452967fd9513cefad8b0cc85d8ba9695d03b568118cd382879429"
      "8ca056b9");
  const auto key = reveal_key(*provider_, as_bytes("testing123"), authenticator, hidden);
  ASSERT_TRUE(key);
  ASSERT_EQ(key->size(), 32u);
  for (std::size_t i = 0; i < 32; ++i) EXPECT_EQ(key->view()[i], 0x40 + i);

  for (const std::size_t size : {0u, 2u, 17u, 19u, 33u})
    EXPECT_FALSE(reveal_key(*provider_, {}, authenticator, ByteView(hidden).first(size))) << size;
  // A length that the octets do not have: the key of 32 cut to two blocks.
  EXPECT_FALSE(reveal_key(*provider_, as_bytes("testing123"), authenticator,
                          ByteView(hidden).first(2 + 32)));
}

TEST_F(SignatureTest, RequestsOfDynamicAuthorization) {
  for (const bool with : {false, true}) {
    const auto request = sign_request(
        *provider_, as_bytes("secret"),
        {.code = Code::disconnect_request, .identifier = 9, .message_authenticator = with});
    const auto packet = Packet::decode(request->octets);
    const auto verdict = [&](std::string_view secret, bool required) {
      return check_request(*provider_, as_bytes(secret), *packet, required).value();
    };
    EXPECT_EQ(verdict("secret", false), Distrust::none);
    EXPECT_EQ(verdict("secret", true),
              with ? Distrust::none : Distrust::missing_message_authenticator);
    EXPECT_EQ(verdict("other", false), Distrust::bad_authenticator);
    const auto reply = sign_response(*provider_, as_bytes("secret"), Code::disconnect_ack, *packet,
                                     Bytes{33, 3, 'p'});
    EXPECT_EQ(check_response(*provider_, as_bytes("secret"), *Packet::decode(*reply),
                             Code::access_request, request->authenticator),
              Distrust::none);
  }
}

}  // namespace
}  // namespace culvert::radius
