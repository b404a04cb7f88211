// Which pre-shared key proves which peer, and what can be wrong with the files that hold them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "config/load.h"
#include "policy/secret_store.h"

namespace culvert::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The key that is found for a peer of this identity after loading `text`; "-" when there is none.
std::string key_for(std::string_view text, std::string_view theirs,
                    std::string_view mine = "192.0.2.200") {
  auto result = load_text(text, "f");
  if (!result) return "error: " + result.error().front().to_string();
  SecretStore store;
  for (auto& secret : result->secrets) store.add(std::move(secret));
  const auto* found = store.find(*parse_identity(mine), *parse_identity(theirs));
  return found ? std::string(as_text(found->secret.view())) : "-";
}

constexpr std::string_view kTwoByAddress = R"([tunnel.a]
peer = "192.0.2.1"
psk = "ka"
[tunnel.b]
peer = ["192.0.2.2", "b.example.org"]
psk = "kb"
)";

TEST(Owners, AreThePeersAddressesAndNames) {
  EXPECT_EQ(key_for(kTwoByAddress, "192.0.2.1"), "ka");
  EXPECT_EQ(key_for(kTwoByAddress, "192.0.2.2"), "kb");
  EXPECT_EQ(key_for(kTwoByAddress, "b.example.org"), "kb");
}

TEST(Owners, NobodyElsesKeyIsTriedWhereTwoCouldBeMeant) {
  EXPECT_EQ(key_for(kTwoByAddress, "10.0.0.7"), "-");
}

TEST(Owners, ALoneTunnelAcceptsEveryIdentity) {
  constexpr std::string_view kOne = "[tunnel.a]\npeer = '192.0.2.1'\npsk = 'ka'\n";
  EXPECT_EQ(key_for(kOne, "192.0.2.1"), "ka");
  EXPECT_EQ(key_for(kOne, "10.0.0.7"), "ka");
}

TEST(Owners, RemoteIdNamesThePeer) {
  constexpr std::string_view kNamed = R"([tunnel.a]
peer = "any"
remote_id = "a.example.org"
psk = "ka"
[tunnel.b]
peer = "any"
remote_id = "*.example.net"
psk = "kb"
[tunnel.c]
peer = "any"
psk = "kc"
)";
  EXPECT_EQ(key_for(kNamed, "a.example.org"), "ka");
  EXPECT_EQ(key_for(kNamed, "x.example.net"), "kb");
  EXPECT_EQ(key_for(kNamed, "somebody"), "kc");
}

TEST(Owners, LocalIdTellsTunnelsToThePeerApart) {
  constexpr std::string_view kTwice = R"([tunnel.a]
peer = "192.0.2.1"
local_id = "me-a"
remote_id = "p"
psk = "ka"
[tunnel.b]
peer = "192.0.2.1"
local_id = "me-b"
remote_id = "p"
psk = "kb"
)";
  EXPECT_EQ(key_for(kTwice, "p", "me-a"), "ka");
  EXPECT_EQ(key_for(kTwice, "p", "me-b"), "kb");
}

TEST(Owners, DifferentKeysForTheSamePeersAreAnError) {
  EXPECT_EQ(key_for("[tunnel.a]\npeer = 'any'\npsk = 'ka'\n[tunnel.b]\npeer = '10.0.0.0/8'\n"
                    "psk = 'kb'\n",
                    "x"),
            "error: f:6:7: the pre-shared keys of [tunnel.b] and [tunnel.a] (line 1) differ, but "
            "nothing tells their peers apart; set 'remote_id' in both");
  EXPECT_EQ(key_for("[tunnel.a]\npeer = 'any'\npsk = 'k'\n[tunnel.b]\npeer = '10.0.0.0/8'\n"
                    "psk = 'k'\n",
                    "x"),
            "k");
}

class SecretFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "culvert-config-XXXXXX";
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, std::string_view contents, mode_t mode = 0600) {
    const auto path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << contents;
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }
  std::string config(std::string_view psk) {
    return write("culvert.toml",
                 "[tunnel.t]\npeer = '192.0.2.1'\npsk = " + std::string(psk) + "\n");
  }
  // The key, or the diagnostics without the name of the folder.
  std::string load_psk(std::string_view psk) {
    auto result = load(config(psk));
    std::string text;
    if (result) return std::string(as_text(result->secrets.at(0).secret.view()));
    for (const auto& diagnostic : result.error()) text += diagnostic.to_string();
    for (auto at = text.find(folder_); at != text.npos; at = text.find(folder_))
      text.erase(at, folder_.size());
    return text;
  }

  std::string folder_;
};

TEST_F(SecretFiles, AreRelativeToTheConfiguration) {
  write("t.psk", "secret");
  EXPECT_EQ(load_psk("{ file = 't.psk' }"), "secret");
  EXPECT_EQ(load_psk("{ file = '" + folder_ + "/t.psk' }"), "secret");
}

TEST_F(SecretFiles, LoseOneNewlineAtTheEnd) {
  write("t.psk", "secret\n");
  EXPECT_EQ(load_psk("{ file = 't.psk' }"), "secret");
  write("t.psk", "secret\r\n");
  EXPECT_EQ(load_psk("{ file = 't.psk' }"), "secret");
  write("t.psk", "secret \n\n");
  EXPECT_EQ(load_psk("{ file = 't.psk' }"), "secret \n");
}

TEST_F(SecretFiles, MayHoldAnyOctets) {
  write("t.psk", std::string_view("a\0\xff", 3));
  EXPECT_EQ(load_psk("{ file = 't.psk' }"), std::string_view("a\0\xff", 3));
}

TEST_F(SecretFiles, ThatAreNoGoodAreExplained) {
  EXPECT_EQ(load_psk("{ file = 't.psk' }"),
            "/culvert.toml:3:16: cannot read '/t.psk': No such file or directory");
  write("t.psk", "\n");
  EXPECT_EQ(load_psk("{ file = 't.psk' }"),
            "/culvert.toml:3:16: 't.psk' holds no pre-shared key: it is empty");
  write("t.psk", std::string(limits::kMaxSecretFileSize + 1, 'x'));
  EXPECT_EQ(load_psk("{ file = 't.psk' }"),
            "/culvert.toml:3:16: cannot read '/t.psk': it has 65537 octets, the limit is 65536");
  EXPECT_EQ(load_psk("{ file = '.' }"),
            "/culvert.toml:3:16: cannot read '/.': it is not a regular file");
  ASSERT_EQ(mkfifo((folder_ + "/fifo").c_str(), 0600), 0);
  EXPECT_EQ(load_psk("{ file = 'fifo' }"),
            "/culvert.toml:3:16: cannot read '/fifo': it is not a regular file");
  EXPECT_EQ(load_psk("{ file = \"a\\u0000b\" }"),
            "/culvert.toml:3:16: cannot read '/a\\x00b': the name has a zero octet");
}

TEST_F(SecretFiles, AndOtherFormsOfPsk) {
  EXPECT_EQ(load_psk("'inline'"), "inline");
  EXPECT_EQ(load_psk("''"), "/culvert.toml:3:7: 'psk' in [tunnel.t]: the key is empty");
  EXPECT_EQ(load_psk("5"),
            "/culvert.toml:3:7: 'psk' in [tunnel.t]: expected a string or { file = \"…\" }, found "
            "an integer");
  EXPECT_EQ(load_psk("{}"), "/culvert.toml:3:7: 'psk' in [tunnel.t]: no 'file' is named");
  EXPECT_EQ(load_psk("{ file = 1 }"),
            "/culvert.toml:3:16: 'file' in 'psk' in [tunnel.t]: expected a string, found an "
            "integer");
  write("t.psk", "x");
  EXPECT_EQ(load_psk("{ file = 't.psk', fiel = 1 }"),
            "/culvert.toml:3:25: unknown key 'fiel' in 'psk' in [tunnel.t]; did you mean 'file'?");
}

TEST_F(SecretFiles, ThatEverybodyCanReadAreWarnedAbout) {
  write("t.psk", "secret", 0644);
  const auto by_file = load(config("{ file = 't.psk' }"));
  ASSERT_TRUE(by_file);
  ASSERT_EQ(by_file->warnings.size(), 1u);
  EXPECT_EQ(by_file->warnings[0].message, "everybody can read 't.psk'");
  EXPECT_EQ(by_file->warnings[0].line, 3u);

  const auto path = config("'inline'");
  EXPECT_THAT(load(path)->warnings, IsEmpty());
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  const auto inlined = load(path);
  ASSERT_TRUE(inlined);
  ASSERT_EQ(inlined->warnings.size(), 1u);
  EXPECT_EQ(inlined->warnings[0].message,
            "everybody can read this file, and it holds a pre-shared key");
}

TEST_F(SecretFiles, AMissingConfigurationIsExplained) {
  const auto result = load(folder_ + "/none.toml");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().at(0).to_string(), folder_ + "/none.toml: cannot read '" + folder_ +
                                                  "/none.toml': No such file or directory");
}

}  // namespace
}  // namespace culvert::config
