// The parts of culvertd that need no privileges: what a reload changes, the log, the state lock.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

#include "daemon/difference.h"
#include "daemon/event_log.h"
#include "daemon/state_lock.h"

namespace culvert {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

config::Loaded loaded(std::initializer_list<std::pair<const char*, int>> connections,
                      std::initializer_list<std::pair<const char*, const char*>> secrets = {}) {
  config::Loaded result;
  for (const auto& [name, tries] : connections) {
    ConnectionConfig connection;
    connection.name = name;
    connection.keyingtries = static_cast<std::uint32_t>(tries);
    result.connections.push_back(std::make_shared<const ConnectionConfig>(connection));
  }
  for (const auto& [id, text] : secrets)
    result.secrets.push_back({id, SecretBytes(as_bytes(text)), {}});
  return result;
}

TEST(Difference, EqualFilesChangeNothing) {
  EXPECT_TRUE(compare(loaded({{"a", 1}}, {{"s", "x"}}), loaded({{"a", 1}}, {{"s", "x"}})).empty());
}

TEST(Difference, NamesWhatIsAddedChangedAndRemoved) {
  const auto to = loaded({{"same", 1}, {"new", 1}, {"other", 2}});
  const auto difference = compare(loaded({{"gone", 1}, {"other", 1}, {"same", 1}}), to);
  EXPECT_THAT(difference.removed, ElementsAre("gone"));
  ASSERT_EQ(difference.changed.size(), 1u);
  EXPECT_EQ(difference.changed[0].connection->keyingtries, 2u);
  ASSERT_EQ(difference.added.size(), 1u);
  EXPECT_EQ(difference.added[0]->name, "new");
  EXPECT_FALSE(difference.settings);
}

// A change of one setting in a connection "a" with the children "a" and "b".
ChangedConnection change(const std::function<void(ConnectionConfig&)>& edit) {
  ConnectionConfig from;
  from.name = "a";
  for (const auto* name : {"a", "b"}) {
    ChildConfig child;
    child.name = name;
    from.children.push_back(child);
  }
  ConnectionConfig to = from;
  edit(to);
  config::Loaded before, after;
  before.connections.push_back(std::make_shared<const ConnectionConfig>(from));
  after.connections.push_back(std::make_shared<const ConnectionConfig>(to));
  const auto difference = compare(before, after);
  return difference.changed.empty() ? ChangedConnection{} : difference.changed[0];
}

TEST(Difference, SaysWhatAChangeLeadsTo) {
  const auto quiet = change([](auto& to) {
    to.dpd_delay = std::chrono::seconds(5);
    to.children[1].lifetime.rekey_time = std::chrono::hours(2);
  });
  EXPECT_FALSE(quiet.settings.renegotiates);
  EXPECT_THAT(quiet.renewed_children(), ElementsAre());
  EXPECT_EQ(quiet.to_string(),
            "a: dpd changed, in force now; child b: esp_rekey changed, in force now");

  const auto one_child = change([](auto& to) {
    to.children[1].remote.push_back(*parse_selector("10.2.0.0/16"));
    to.children[1].updown = "/bin/true";
  });
  EXPECT_FALSE(one_child.settings.renegotiates);
  EXPECT_THAT(one_child.renewed_children(), ElementsAre("b"));
  EXPECT_EQ(one_child.to_string(),
            "a: child b: remote, updown changed, its CHILD SAs are negotiated anew");

  const auto whole = change([](auto& to) { to.remote_port = 4'500; });
  EXPECT_TRUE(whole.settings.renegotiates);
  EXPECT_EQ(whole.to_string(), "a: peer_port changed, its IKE SA is set up anew");

  const auto children = change([](auto& to) { to.children[1].name = "c"; });
  EXPECT_EQ(children.to_string(), "a: child c is new; child b is gone, its CHILD SAs are deleted");
  EXPECT_EQ(change([](auto& to) { std::swap(to.children[0], to.children[1]); }).to_string(),
            "a: order of children changed, in force now");
}

TEST(Difference, SecretsCompareByValueAndOwners) {
  const auto from = loaded({}, {{"a", "x"}, {"b", "x"}, {"c", "x"}, {"gone", "x"}});
  auto to = loaded({}, {{"a", "x"}, {"b", "y"}, {"c", "x"}, {"new", "x"}});
  to.secrets[2].owners.push_back(*parse_identity("moon.example.org"));
  const auto difference = compare(from, to);
  EXPECT_THAT(difference.old_secrets, ElementsAre("gone"));
  std::vector<std::string> fresh;
  for (const auto* secret : difference.new_secrets) fresh.push_back(secret->id);
  EXPECT_THAT(fresh, ElementsAre("b", "c", "new"));
}

TEST(Difference, SeesSettings) {
  auto to = loaded({});
  to.settings.workers = 4;
  EXPECT_TRUE(compare(loaded({}), to).settings);
}

class Log : public ::testing::Test {
 protected:
  std::ostringstream out_;
  EventLog log_{std::make_shared<spdlog::sinks::ostream_sink_mt>(out_)};
};

TEST_F(Log, WritesOneLineForEachEventOfItsLevel) {
  log_.configure(trace::Level::info, false);
  log_.write(trace::Event{{"gw", {}, 7, 0, {}, {}}, trace::IkeDeleted{"peer"}});
  log_.write(trace::Event{{}, trace::LivenessCheck{}});  // debug
  log_.write(trace::Level::warning, "a sentence");
  EXPECT_THAT(out_.str(), HasSubstr("info: gw[7]: IKE SA deleted by peer\n"));
  EXPECT_THAT(out_.str(), HasSubstr("warning: a sentence\n"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("asking")));
}

TEST_F(Log, WritesJson) {
  log_.configure(trace::Level::debug, true);
  log_.write(trace::Event{{"gw", "net", 7, 0, {}, {}}, trace::WrongSecret{"sun\xff\n"}});
  const auto object = nlohmann::json::parse(out_.str());
  EXPECT_EQ(object["level"], "error");
  EXPECT_EQ(object["event"], "wrong_secret");
  EXPECT_EQ(object["connection"], "gw");
  EXPECT_EQ(object["ike"], 7);
  EXPECT_TRUE(object["fields"].contains("remote_id"));
  EXPECT_EQ(out_.str().find('\n'), out_.str().size() - 1);
}

TEST(LogLevel, Parses) {
  EXPECT_EQ(parse_log_level("debug"), trace::Level::debug);
  EXPECT_EQ(parse_log_level("loud"), std::nullopt);
}

TEST(EventRate, LimitsWhatStrangersCause) {
  EventRate rate;
  const trace::Event dropped{{}, trace::MessageDropped{}};
  const auto start = std::chrono::steady_clock::time_point(std::chrono::hours(1));
  unsigned admitted = 0;
  for (int i = 0; i < 1'000; ++i) admitted += rate.admit(dropped, start);
  EXPECT_EQ(admitted, EventRate::kPerSecond);
  EXPECT_TRUE(rate.admit({{}, trace::PeerNotice{}}, start));  // each kind has its own share
  EXPECT_TRUE(rate.admit({{"gw", {}, 0, 0, {}, {}}, trace::MessageDropped{}}, start));
  EXPECT_EQ(rate.take_refused(), 1'000u - EventRate::kPerSecond);
  EXPECT_EQ(rate.take_refused(), 0u);
  EXPECT_TRUE(rate.admit(dropped, start + std::chrono::seconds(1)));
}

TEST(StateLock, IsExclusiveAndEndsWithItsOwner) {
  std::string folder = std::filesystem::temp_directory_path() / "state-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const auto inner = folder + "/made";
  {
    const auto first = StateLock::acquire(inner);
    ASSERT_TRUE(first) << first.error();
    const auto second = StateLock::acquire(inner);
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error(), HasSubstr("another culvertd uses " + inner));
  }
  EXPECT_TRUE(StateLock::acquire(inner));
  const auto hopeless = StateLock::acquire(folder + "/no/such/parent");
  ASSERT_FALSE(hopeless);
  EXPECT_THAT(hopeless.error(), HasSubstr("No such file or directory"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace culvert
