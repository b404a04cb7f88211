// Edits of the file of users: what they change, what they leave, and what they refuse.
#include "cli/users_file.h"

#include <gtest/gtest.h>

namespace culvert::cli {
namespace {

constexpr const char* kText =
    "# The staff.\n"
    "\n"
    "# Ann has two telephones.\n"
    "[user.ann]\n"
    "password = \"nt:00\"  # since May\n"
    "disabled = true\n"
    "\n"
    "[user.\"bob@example.org\"]\n"
    "password = { file = \"bob.password\" }\n"
    "expires = 2030-12-31\n";

UsersFile file_of(const std::string& text) {
  auto file = UsersFile::parse(text, "users.toml");
  EXPECT_TRUE(file) << file.error();
  return std::move(*file);
}

TEST(UsersFile, SaysWhatItHolds) {
  const UsersFile file = file_of(kText);
  ASSERT_EQ(file.users().size(), 2u);
  EXPECT_EQ(file.users()[0].name, "ann");
  EXPECT_FALSE(file.users()[0].enabled);
  EXPECT_FALSE(file.users()[0].expires);
  const UsersFile::User* bob = file.find("bob@example.org");
  ASSERT_TRUE(bob && bob->enabled && bob->expires);
  EXPECT_EQ(to_string(*bob->expires), "2030-12-31");
  EXPECT_EQ(end_of(*bob->expires), std::chrono::sys_days(std::chrono::year(2031) / 1 / 1));
}

TEST(UsersFile, AddingLeavesTheRest) {
  UsersFile file = file_of(kText);
  ASSERT_TRUE(file.add("carol", "\"nt:11\""));
  EXPECT_EQ(file.text(), std::string(kText) + "\n[user.carol]\npassword = \"nt:11\"\n");
  UsersFile empty = file_of("");
  ASSERT_TRUE(empty.add("a.b \"c\" \\", "\"x\""));
  EXPECT_EQ(empty.text(), "[user.\"a.b \\\"c\\\" \\\\\"]\npassword = \"x\"\n");
  EXPECT_TRUE(empty.find("a.b \"c\" \\"));
}

TEST(UsersFile, AUserIsThereOnce) {
  UsersFile file = file_of(kText);
  EXPECT_FALSE(file.add("ann", "\"x\""));
  EXPECT_EQ(file.text(), kText);
}

TEST(UsersFile, KeysComeAndGo) {
  UsersFile file = file_of(kText);
  ASSERT_TRUE(file.unset("ann", "disabled"));
  EXPECT_TRUE(file.find("ann")->enabled);
  ASSERT_TRUE(file.set("bob@example.org", "expires", "2031-01-31"));
  ASSERT_TRUE(file.set("bob@example.org", "disabled", "true"));
  ASSERT_TRUE(file.unset("ann", "expires"));  // there is none
  EXPECT_EQ(file.text(),
            "# The staff.\n"
            "\n"
            "# Ann has two telephones.\n"
            "[user.ann]\n"
            "password = \"nt:00\"  # since May\n"
            "\n"
            "[user.\"bob@example.org\"]\n"
            "disabled = true\n"
            "password = { file = \"bob.password\" }\n"
            "expires = 2031-01-31\n");
}

TEST(UsersFile, RemovingTakesTheCommentAboveAlong) {
  UsersFile file = file_of(kText);
  ASSERT_TRUE(file.remove("ann"));
  EXPECT_EQ(file.text(),
            "# The staff.\n"
            "\n"
            "[user.\"bob@example.org\"]\n"
            "password = { file = \"bob.password\" }\n"
            "expires = 2030-12-31\n");
  ASSERT_TRUE(file.remove("bob@example.org"));
  EXPECT_EQ(file.text(), "# The staff.\n\n");
  EXPECT_FALSE(file.remove("bob@example.org"));
}

TEST(UsersFile, OtherFormsAreForAnEditor) {
  for (const char* text : {"user.ann.password = \"x\"\nuser.bob.password = \"y\"\n",
                           "[user]\nann = { password = \"x\" }\nbob = { password = \"y\" }\n",
                           "[user.ann]\n[user.bob]\npassword = \"y\"\n[user.ann.password]\n"
                           "file = \"\"\"\n[user.x]\n\"\"\"\n"}) {
    UsersFile file = file_of(text);
    const auto removed = file.remove("ann");
    ASSERT_FALSE(removed) << text;
    EXPECT_TRUE(removed.error().contains("use an editor")) << removed.error();
    EXPECT_EQ(file.text(), text);
  }
}

TEST(UsersFile, WhatIsNoUserIsNamedWithItsPlace) {
  const auto wrong = UsersFile::parse("[user.ann]\npassword = \"x\"\n[tunnel.a]\n", "users.toml");
  ASSERT_FALSE(wrong);
  EXPECT_TRUE(wrong.error().starts_with("users.toml:3:")) << wrong.error();
  EXPECT_FALSE(UsersFile::parse("[user.ann", "users.toml"));
}

}  // namespace
}  // namespace culvert::cli
