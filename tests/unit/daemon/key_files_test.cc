// Private keys that the configuration file names: read by the signing process, with their
// passwords.
#include "daemon/key_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "crypto/openssl_provider.h"
#include "crypto/private_key.h"

namespace culvert {
namespace {

class KeyFilesTest : public ::testing::Test {
 protected:
  KeyFilesTest() { std::filesystem::create_directories(folder_); }
  ~KeyFilesTest() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, ByteView octets) {
    const auto path = folder_ / name;
    std::ofstream(path) << as_text(octets);
    return path;
  }
  // The file of a key with the public half that belongs to it.
  config::KeyFile file(const PrivateKey& key, const std::string& name,
                       std::string_view password = {}) {
    config::KeyFile file;
    file.path = write(name, key.to_pem(password)->view());
    file.public_keys = {{std::make_shared<const Bytes>(key.spki())}};
    file.place = "f.toml:3:7";
    return file;
  }
  auto load(const std::vector<config::KeyFile>& files) {
    return load_key_files(signer_, *provider_, files);
  }
  void expect_error(const config::KeyFile& file, std::string_view what) {
    const auto loaded = load({file});
    EXPECT_TRUE(loaded.wrong.starts_with("f.toml:3:7: ")) << loaded.wrong;
    EXPECT_NE(loaded.wrong.find(what), std::string::npos) << loaded.wrong;
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("culvert-keys-" + std::to_string(::getpid()));
  std::unique_ptr<Provider> provider_ = make_openssl_provider();
  io::EventLoop loop_;
  Signer signer_{loop_, *signer::start_process()};
  PrivateKey key_ = *PrivateKey::generate(KeyKind::ecdsa_p256);
};

TEST_F(KeyFilesTest, AreLoadedOnceEach) {
  const auto other = *PrivateKey::generate(KeyKind::ed25519);
  const auto one = file(key_, "one"), two = file(other, "two");
  const auto loaded = load({one, two, one});
  EXPECT_EQ(loaded.wrong, "");
  ASSERT_EQ(loaded.keys.size(), 2u);
  EXPECT_EQ(loaded.keys[0]->kind(), KeyKind::ecdsa_p256);
  EXPECT_EQ(loaded.keys[1]->kind(), KeyKind::ed25519);
}

TEST_F(KeyFilesTest, MayBeEncrypted) {
  auto locked = file(key_, "locked", "open sesame");
  expect_error(locked, describe(KeyFileProblem::password_needed));
  locked.password_path = write("wrong", as_bytes("open barley\n"));
  expect_error(locked, describe(KeyFileProblem::wrong_password));
  locked.password_path = (folder_ / "nowhere").string();
  expect_error(locked, "No such file");
  locked.password_path = write("right", as_bytes("open sesame\n"));
  EXPECT_EQ(load({locked}).wrong, "");
}

TEST_F(KeyFilesTest, MustBelongToWhatIsBesideThem) {
  const auto other = *PrivateKey::generate(KeyKind::ecdsa_p256);
  auto strange = file(key_, "strange");
  strange.public_keys = {{std::make_shared<const Bytes>(other.spki())}};
  expect_error(strange, "does not belong to the public key beside it");
}

TEST_F(KeyFilesTest, EachThatIsWrongIsNamed) {
  auto missing = file(key_, "missing"), broken = file(key_, "broken");
  missing.path += "-not";
  broken.path = write("broken", as_bytes("no key"));
  broken.place = "f.toml:9:7";
  const auto loaded = load({missing, broken});
  EXPECT_NE(loaded.wrong.find("f.toml:3:7: "), std::string::npos);
  EXPECT_NE(loaded.wrong.find("\nf.toml:9:7: "), std::string::npos);
}

}  // namespace
}  // namespace culvert
