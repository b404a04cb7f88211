// [user.NAME], here and in files of their own.
#include "config/users.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "config/load.h"

namespace culvert::config {
namespace {

class Folder : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "usersXXXXXX";
    folder_ = mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }
  std::string folder_;
};

TEST_F(Folder, AFileOfUsersIsReadToo) {
  write("users.toml",
        "[user.ann]\npassword = \"nt:000102030405060708090a0b0c0d0e0f\"\n"
        "expires = 2030-12-31\n[user.bob]\npassword = \"secret\"\ndisabled = true\n"
        "expires = 2030-12-31T18:00:00+02:00\n");
  const auto loaded =
      load(write("culvert.toml", "users = \"users.toml\"\n[user.carol]\npassword = \"x\"\n"));
  ASSERT_TRUE(loaded) << loaded.error().front().to_string();
  ASSERT_EQ(loaded->users.size(), 3u);
  EXPECT_EQ(loaded->users[0].name, "carol");
  EXPECT_FALSE(loaded->users[0].expires);
  EXPECT_TRUE(std::holds_alternative<eap::NtHash>(loaded->users[1].password));
  // The day that is named is still good.
  EXPECT_EQ(loaded->users[1].expires, std::chrono::sys_days(std::chrono::year(2031) / 1 / 1));
  EXPECT_FALSE(loaded->users[2].enabled);
  EXPECT_EQ(loaded->users[2].expires,
            std::chrono::sys_days(std::chrono::year(2030) / 12 / 31) + std::chrono::hours(16));
}

TEST_F(Folder, MistakesNameTheFileTheyAreIn) {
  write("users.toml",
        "[user.ann]\npasword = \"x\"\n[user.bob]\npassword = \"x\"\nexpires = \"2030-12-31\"\n"
        "[user.carol]\npassword = \"x\"\n[tunnel.x]\n");
  const auto loaded =
      load(write("culvert.toml", "users = \"users.toml\"\n[user.carol]\npassword = \"x\"\n"));
  ASSERT_FALSE(loaded);
  std::string all;
  for (const Diagnostic& diagnostic : loaded.error()) {
    EXPECT_TRUE(diagnostic.file.ends_with("/users.toml")) << diagnostic.to_string();
    all += diagnostic.to_string() + "\n";
  }
  for (const char* part :
       {"users.toml:2:1: unknown key 'pasword' in [user.ann]; did you mean 'password'?",
        "users.toml:5:11: 'expires' in [user.bob]: expected a date without quotes",
        "users.toml:6:7: [user.carol] is in another file too",
        "users.toml:8:2: unknown key 'tunnel'"})
    EXPECT_TRUE(all.contains(part)) << part << "\n" << all;
}

TEST_F(Folder, AMissingFileOfUsersIsAMistake) {
  const auto loaded = load(write("culvert.toml", "users = \"users.toml\"\n"));
  ASSERT_FALSE(loaded);
  EXPECT_TRUE(loaded.error().front().message.contains("users.toml"));
}

TEST_F(Folder, TheCommandLineComesFirst) {
  const std::string users = write("more.toml", "[user.ann]\npassword = \"x\"\n");
  const auto loaded =
      load(write("culvert.toml",
                 "[daemon]\nike_port = 600\ndevice = \"tun5\"\n[tunnel.a]\npeer = \"192.0.2.1\"\n"
                 "psk = \"x\"\n"),
           {.users = users, .device = "tun6", .ike_port = 700, .nat_t_port = 4700});
  ASSERT_TRUE(loaded) << loaded.error().front().to_string();
  EXPECT_EQ(loaded->users.size(), 1u);
  EXPECT_EQ(loaded->settings.device, "tun6");
  EXPECT_EQ(loaded->settings.ike_port, 700);
  EXPECT_EQ(loaded->settings.nat_t_port, 4'700);
  EXPECT_EQ(loaded->connections.front()->local_port, 700);
}

}  // namespace
}  // namespace culvert::config
