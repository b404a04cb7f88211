// The signing process as the daemon sees it: keys go in, signatures come out.
#include "daemon/signer.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>

#include "crypto/openssl_provider.h"
#include "crypto/private_key.h"

namespace culvert {
namespace {

using namespace std::chrono_literals;

SignatureScheme ecdsa() { return {SignatureKind::ecdsa, Hash::sha2_256, 0}; }

class SignerTest : public ::testing::Test {
 protected:
  static signer::Socket start() {
    auto socket = signer::start_process();
    EXPECT_TRUE(socket);
    return std::move(*socket);
  }
  KeyId load(const PrivateKey& key, std::string_view password = {}) {
    const auto pem = key.to_pem(password);
    const auto spki = signer_.load(pem->view(), as_bytes(password));
    EXPECT_TRUE(spki) << spki.error();
    const auto known = provider_->load_public_key(*spki);
    EXPECT_TRUE(known);
    return (*known)->key_id();
  }
  std::expected<Bytes, std::string> sign(const KeyId& key, const Bytes& octets) {
    std::optional<std::expected<Bytes, std::string>> outcome;
    signer_.sign(key, ecdsa(), octets, [&](auto made) {
      outcome = std::move(made);
      loop_.stop();
    });
    EXPECT_FALSE(outcome);  // never at once
    loop_.context().restart();
    loop_.context().run_for(10s);
    EXPECT_TRUE(outcome);
    return outcome ? std::move(*outcome) : std::unexpected("no answer");
  }

  std::unique_ptr<Provider> provider_ = make_openssl_provider();
  io::EventLoop loop_;
  Signer signer_{loop_, start()};
};

TEST_F(SignerTest, SignsWithAKeyThatWasLoaded) {
  const auto key = PrivateKey::generate(KeyKind::ecdsa_p256);
  const KeyId id = load(*key);
  const Bytes octets(1'000, 7);
  const auto signature = sign(id, octets);
  ASSERT_TRUE(signature) << signature.error();
  const auto known = provider_->load_public_key(key->spki());
  EXPECT_TRUE(provider_->verify(**known, ecdsa(), {octets}, *signature));
}

TEST_F(SignerTest, SaysWhatIsWrongWithAKey) {
  const auto key = PrivateKey::generate(KeyKind::ecdsa_p256);
  const auto pem = key->to_pem("right");
  EXPECT_EQ(signer_.load(pem->view(), {}).error(), describe(KeyFileProblem::password_needed));
  EXPECT_EQ(signer_.load(pem->view(), as_bytes("wrong")).error(),
            describe(KeyFileProblem::wrong_password));
  EXPECT_FALSE(signer_.load(as_bytes("no key"), {}));
  EXPECT_TRUE(signer_.load(pem->view(), as_bytes("right")));
  const auto missing = signer_.load_file("/nonexistent/key.pem", {});
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().find("No such file"), std::string::npos) << missing.error();
}

TEST_F(SignerTest, ReadsTheFileItself) {
  const auto key = PrivateKey::generate(KeyKind::ed25519);
  const auto path = std::filesystem::temp_directory_path() /
                    ("culvert-signer-" + std::to_string(::getpid()) + ".pem");
  const auto pem = key->to_pem();
  std::ofstream(path) << as_text(pem->view());
  const auto spki = signer_.load_file(path, {});
  std::filesystem::remove(path);
  ASSERT_TRUE(spki) << spki.error();
  EXPECT_EQ(*spki, key->spki());
}

TEST_F(SignerTest, AKeyThatIsForgottenSignsNoMore) {
  const auto key = PrivateKey::generate(KeyKind::ecdsa_p256);
  const KeyId id = load(*key);
  signer_.forget(id);
  const auto refused = sign(id, Bytes(10, 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), "the private key is not loaded any more");
}

TEST_F(SignerTest, ManyAtOnceAreAllAnswered) {
  const auto key = PrivateKey::generate(KeyKind::ecdsa_p256);
  const KeyId id = load(*key);
  int answered = 0;
  constexpr int kMany = 200;
  for (int i = 0; i < kMany; ++i)  // more than the socket holds
    signer_.sign(id, ecdsa(), Bytes(60'000, static_cast<std::uint8_t>(i)), [&](auto made) {
      EXPECT_TRUE(made);
      if (++answered == kMany) loop_.stop();
    });
  loop_.context().run_for(60s);
  EXPECT_EQ(answered, kMany);
}

TEST(SignerGone, EverythingFailsWithASentence) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  io::EventLoop loop;
  Signer client(loop, signer::Socket(ends[0]));
  std::string error;
  client.sign({}, ecdsa(), {}, [&](auto made) { error = made.error(); });
  {
    const signer::Socket closed(ends[1]);
  }
  loop.context().run_for(10s);
  EXPECT_NE(error.find("signing process"), std::string::npos);
  EXPECT_FALSE(client.load(as_bytes("x"), {}));
}

TEST(SignerMessage, WhatIsEncodedIsDecoded) {
  const auto request = signer::decode_request(
      signer::encode({7, signer::Sign{KeyId{1, 2}, rsa_pss(Hash::sha2_384), Bytes(5, 9)}}).view());
  ASSERT_TRUE(request);
  const auto& sign = std::get<signer::Sign>(request->what);
  EXPECT_EQ(request->id, 7u);
  EXPECT_EQ(sign.key, (KeyId{1, 2}));
  EXPECT_EQ(sign.scheme, rsa_pss(Hash::sha2_384));
  EXPECT_EQ(sign.octets, Bytes(5, 9));
}

TEST(SignerMessage, WhatIsCutShortOrTooLongIsNoRequest) {
  const SecretBytes whole = signer::encode({7, signer::LoadKey{SecretBytes(as_bytes("key")), {}}});
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(signer::decode_request(whole.view().first(size))) << size;
  Bytes longer = to_bytes(whole.view());
  longer.push_back(0);
  EXPECT_FALSE(signer::decode_request(longer));
}

}  // namespace
}  // namespace culvert
