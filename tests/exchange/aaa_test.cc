// Logins behind an AAA server, and the sessions that it grants. The server is one of ours that runs
// beside the shard.
#include <gtest/gtest.h>

#include <set>

#include "eap/password_methods.h"
#include "eap/server.h"
#include "tests/exchange/pair.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;
using radius::EapRelay;

struct FakeLogin final : AaaLogin {
  explicit FakeLogin(std::unique_ptr<eap::Server> with) : server(std::move(with)) {}
  std::unique_ptr<eap::Server> server;
};

class AaaTest : public ::testing::Test {
 protected:
  AaaTest() {
    for (Gateway* gateway : {&pair.a, &pair.b}) {
      gateway->load_psk("x", "the server's key", {}, pair.now);
      gateway->shard->command(SetDate{kToday}, pair.now);
    }
    set_password("secret");
    eap::User user{"carol", eap::ClearPassword{SecretBytes(as_bytes("secret"))}};
    users.add(std::move(user));
  }

  void set_password(std::string_view password) {
    eap::User user{"carol", eap::ClearPassword{SecretBytes(as_bytes(password))}};
    pair.a.shard->command(LoadUser{std::move(user)}, pair.now);
  }

  static ConnectionConfig client() {
    ConnectionConfig config = site(true);
    config.local.kind = AuthKind::eap;
    config.local.eap_id = *parse_identity("keyid:carol");
    return config;
  }
  static ConnectionConfig server() {
    ConnectionConfig config = site(false);
    config.remote.kind = AuthKind::eap;
    config.remote.aaa = "office";
    config.remote.eap_id = Identity{};
    return config;
  }
  void load(const ConnectionConfig& at_server = server()) {
    pair.a.load(client(), pair.now);
    pair.b.load(at_server, pair.now);
  }

  EapRelay::Outcome outcome(FakeLogin& login, ByteView eap) {
    const auto packet = eap::decode(eap);
    eap::Step step =
        packet->type == eap::kIdentity ? login.server->begin() : login.server->receive(eap);
    if (step.kind == eap::Step::Kind::succeeded)
      return EapRelay::Accepted{std::move(step.packet),
                                SecretBytes(msk ? as_bytes(*msk) : login.server->msk()), granted};
    if (step.kind == eap::Step::Kind::failed)
      return EapRelay::Rejected{std::move(step.packet), "not you"};
    return EapRelay::Challenge{std::move(step.packet)};
  }

  // One answer to each question that waits; false when there was none.
  bool answer() {
    auto questions = std::exchange(pair.b.aaa_questions, {});
    for (AskAaa& question : questions) {
      services.push_back(question.service);
      std::unique_ptr<FakeLogin> login(static_cast<FakeLogin*>(question.login.release()));
      if (!login) {
        eap::Server::Options options;
        options.identity = "carol";
        options.offers.push_back(*eap::offer_password_server(
            method, {*pair.b.provider, users, std::chrono::floor<std::chrono::seconds>(kToday)}));
        login = std::make_unique<FakeLogin>(
            std::make_unique<eap::Server>(*pair.b.provider, std::move(options)));
      }
      auto said = outcome(*login, question.eap);
      pair.b.shard->complete(question.job, AaaAnswer{std::move(login), std::move(said)}, pair.now);
      pair.run();
    }
    return !questions.empty();
  }
  void log_in(std::uint64_t id = 1) {
    initiate(pair, "net", id);
    while (answer()) continue;
    pair.pass(1s);
  }
  bool is_up() const {
    return pair.a.sad.size() == 2 && pair.b.sad.size() == 2 && sads_agree(pair);
  }

  static constexpr std::chrono::sys_seconds kToday =
      std::chrono::sys_days(std::chrono::year(2026) / 11 / 23);
  Pair pair;
  eap::UserStore users;
  eap::Type method = eap::kMschapv2;
  radius::Authorization granted;
  std::optional<std::string> msk;  // instead of the method's
  std::vector<std::string> services;
};

TEST_F(AaaTest, ALoginWithAKeyAndOneWithoutBringATunnelUp) {
  for (const eap::Type type : {eap::kMschapv2, eap::kMd5}) {
    method = type;
    load();
    log_in();
    EXPECT_TRUE(is_up()) << eap::to_string(type);
    EXPECT_EQ(services.front(), "office");
    pair.a.shard->command(Terminate{{7}, "site"}, pair.now);
    pair.pass(1s);
    EXPECT_TRUE(pair.a.sad.empty() && pair.b.sad.empty());
  }
}

TEST_F(AaaTest, WithoutAQuestionTheIdentityIsThatOfIke) {
  auto config = server();
  config.remote.eap_id.reset();
  load(config);
  initiate(pair);
  ASSERT_EQ(pair.b.aaa_questions.size(), 1u);
  const auto packet = eap::decode(pair.b.aaa_questions[0].eap);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->type, eap::kIdentity);
  EXPECT_EQ(as_text(packet->data), "192.0.2.1");
}

TEST_F(AaaTest, ARejectionAndASilentServerAreTold) {
  set_password("wrong");
  load();
  log_in();
  ASSERT_NE(pair.b.event<trace::AaaRejected>(), nullptr);
  EXPECT_EQ(pair.b.event<trace::AaaRejected>()->why, "it says: not you");
  EXPECT_EQ(pair.b.shard->statistics().ike_sas, 0u);
  EXPECT_EQ(pair.a.shard->statistics().ike_sas, 0u);

  initiate(pair, "net", 2);
  ASSERT_EQ(pair.b.aaa_questions.size(), 1u);
  pair.b.shard->complete(pair.b.aaa_questions[0].job,
                         AaaAnswer{nullptr, EapRelay::Broken{"RADIUS is silent"}}, pair.now);
  pair.pass(1s);
  ASSERT_NE(pair.b.event<trace::AaaFailed>(), nullptr);
  EXPECT_EQ(pair.b.event<trace::AaaFailed>()->user, "carol");
  EXPECT_EQ(pair.a.shard->statistics().ike_sas, 0u);
  EXPECT_TRUE(pair.b.sessions_begun.empty());
}

// Nothing else waits for an AAA server, and repeated requests ask it nothing twice.
TEST_F(AaaTest, AServerThatDoesNotAnswerDelaysNobodyElse) {
  load();
  initiate(pair);
  ASSERT_EQ(pair.b.aaa_questions.size(), 1u);
  pair.pass(5s);
  EXPECT_EQ(pair.b.aaa_questions.size(), 1u);

  Pair other({}, {}, "192.0.2.3", "192.0.2.2");
  ConnectionConfig peer = site(true), here = site(false);
  peer.local_addrs = here.remote_addrs = {*parse_address_pattern("192.0.2.3")};
  here.name = "other";
  other.a.load_psk("x", "the server's key", {}, pair.now);
  other.a.load(peer, pair.now);
  pair.b.load(here, pair.now);
  other.now = pair.now;
  std::swap(pair.b.shard, other.b.shard);
  initiate(other);
  other.pass(1s);
  EXPECT_EQ(other.a.sad.size(), 2u);
  EXPECT_EQ(other.b.sad.size(), 2u);
}

TEST_F(AaaTest, AnAnswerThatComesTooLateIsNothing) {
  load();
  initiate(pair);
  auto questions = std::exchange(pair.b.aaa_questions, {});
  ASSERT_EQ(questions.size(), 1u);
  pair.pass(60s);  // the half-open IKE SA has gone
  EXPECT_EQ(pair.b.shard->statistics().ike_sas, 0u);
  const std::size_t sent = pair.sent.size();
  pair.b.shard->complete(questions[0].job,
                         AaaAnswer{nullptr, EapRelay::Accepted{Bytes{3, 1, 0, 4}, {}, {}}},
                         pair.now);
  pair.pass(1s);
  EXPECT_EQ(pair.sent.size(), sent);
  EXPECT_EQ(pair.b.shard->statistics().ike_sas, 0u);
}

// Who was let in by the AAA server, and has another key than it, is not let in.
TEST_F(AaaTest, AnotherKeyThanThePeersIsRefused) {
  load();
  msk = std::string(64, 'x');
  log_in();
  EXPECT_NE(pair.b.event<trace::WrongEapKey>(), nullptr);
  EXPECT_EQ(pair.b.shard->statistics().ike_sas, 0u);
  EXPECT_TRUE(pair.b.sad.empty());
}

TEST_F(AaaTest, ASessionHasItsPairsThroughRekeysAndEndsOnce) {
  granted.user_name = "carol@office";
  granted.classes = {to_bytes(as_bytes("blue"))};
  load();
  log_in();
  ASSERT_EQ(pair.b.sessions_begun.size(), 1u);
  const SessionBegan& began = pair.b.sessions_begun[0];
  EXPECT_EQ(began.service, "office");
  EXPECT_EQ(began.user_name, "carol@office");
  EXPECT_EQ(began.granted->classes, granted.classes);
  pair.b.shard->command(Rekey{{2}, "site"}, pair.now);
  pair.pass(1s);
  pair.b.shard->command(Rekey{{3}, {}, "net"}, pair.now);
  pair.pass(20s);
  EXPECT_TRUE(is_up());
  std::set<std::uint64_t> pairs;
  for (const SessionUses& use : pair.b.session_pairs) {
    EXPECT_EQ(use.id, began.id);
    pairs.insert(use.pair.value);
  }
  EXPECT_EQ(pairs.size(), 2u);
  EXPECT_TRUE(pair.b.sessions_ended.empty());
  pair.a.shard->command(Terminate{{4}, "site"}, pair.now);
  pair.pass(1s);
  ASSERT_EQ(pair.b.sessions_ended.size(), 1u);
  EXPECT_EQ(pair.b.sessions_ended[0].cause, radius::TerminateCause::user_request);
  EXPECT_EQ(pair.b.sessions_begun.size(), 1u);
}

TEST_F(AaaTest, TheSessionTimeoutEndsIt) {
  granted.session_timeout = 100s;
  load();
  log_in();
  pair.pass(90s);
  EXPECT_TRUE(is_up());
  pair.pass(11s);
  EXPECT_TRUE(pair.a.sad.empty() && pair.b.sad.empty());
  ASSERT_EQ(pair.b.sessions_ended.size(), 1u);
  EXPECT_EQ(pair.b.sessions_ended[0].cause, radius::TerminateCause::session_timeout);
}

TEST_F(AaaTest, ARekeyedIkeSaStillEndsInTime) {
  granted.session_timeout = 100s;
  load();
  log_in();
  pair.a.shard->command(Rekey{{2}, "site"}, pair.now);
  pair.pass(90s);
  EXPECT_TRUE(is_up());
  pair.pass(11s);
  EXPECT_TRUE(pair.b.sad.empty());
  EXPECT_EQ(pair.b.sessions_ended.size(), 1u);
}

TEST_F(AaaTest, AnIdleSessionEnds) {
  granted.idle_timeout = 60s;
  load();
  log_in();
  pair.pass(61s);
  ASSERT_EQ(pair.b.asked_use.size(), 1u);
  pair.b.shard->last_use(pair.b.asked_use[0], pair.now - 30s, pair.now);
  pair.pass(25s);
  EXPECT_TRUE(is_up());
  pair.pass(6s);
  ASSERT_EQ(pair.b.asked_use.size(), 2u);
  pair.b.shard->last_use(pair.b.asked_use[1], pair.now - 60s, pair.now);
  pair.pass(1s);
  EXPECT_TRUE(pair.b.sad.empty());
  ASSERT_EQ(pair.b.sessions_ended.size(), 1u);
  EXPECT_EQ(pair.b.sessions_ended[0].cause, radius::TerminateCause::idle_timeout);
}

TEST_F(AaaTest, AServerChangesAndEndsSessions) {
  load();
  log_in();
  ASSERT_EQ(pair.b.sessions_begun.size(), 1u);
  const SessionId id = pair.b.sessions_begun[0].id;
  auto changes = std::make_shared<radius::Authorization>();
  changes->session_timeout = 3'600s;
  pair.b.shard->command(ChangeSession{id, changes}, pair.now);
  pair.b.shard->command(EndSession{{id.value + 1}, radius::TerminateCause::admin_reset}, pair.now);
  pair.pass(1s);
  EXPECT_NE(pair.b.event<trace::AaaSessionChanged>(), nullptr);
  EXPECT_TRUE(is_up());
  pair.b.shard->command(EndSession{id, radius::TerminateCause::admin_reset}, pair.now);
  pair.pass(1s);
  EXPECT_TRUE(pair.a.sad.empty() && pair.b.sad.empty());
  ASSERT_EQ(pair.b.sessions_ended.size(), 1u);
  EXPECT_EQ(pair.b.sessions_ended[0].cause, radius::TerminateCause::admin_reset);
}

TEST_F(AaaTest, TheAddressIsTheOneThatTheLoginBrings) {
  load();
  ConnectionConfig road = client();
  road.vips = {IpAddress::any(Family::v4)};
  road.children[0].local = {*parse_selector("dynamic")};
  pair.a.load(road, pair.now);
  ConnectionConfig gateway = server();
  gateway.children[0].remote = {*parse_selector("dynamic")};
  pair.b.load(gateway, pair.now);
  granted.addresses = {*IpAddress::parse("10.9.0.77")};
  granted.dns = {*IpAddress::parse("10.2.0.53")};
  log_in();
  ASSERT_TRUE(is_up());
  const AssignAddresses& ours = pair.a.assigned.begin()->second;
  EXPECT_EQ(ours.addresses, granted.addresses);
  EXPECT_EQ(ours.settings.dns, granted.dns);
  ASSERT_EQ(pair.b.sessions_begun.size(), 1u);
  EXPECT_EQ(pair.b.sessions_begun[0].addresses, granted.addresses);  // for accounting
  EXPECT_EQ(to_string(pair.b.policies.begin()->second.remote_ts), "10.9.0.77/32");
}

TEST_F(AaaTest, GroupsChooseTheConnection) {
  granted.groups = {"guests", "staff"};
  ConnectionConfig boss = server(), staff = server();
  boss.name = "boss";
  boss.remote.groups = {"board"};
  staff.name = "crew";
  staff.remote.groups = {"staff"};
  load(server());
  pair.b.load(boss, pair.now);
  pair.b.load(staff, pair.now);
  log_in();
  EXPECT_TRUE(is_up());
  ASSERT_EQ(pair.b.sessions_begun.size(), 1u);
  EXPECT_EQ(pair.b.sessions_begun[0].port.connection, "crew");
}

TEST_F(AaaTest, WhoIsInNoneOfTheGroupsIsRefused) {
  granted.groups = {"guests"};
  ConnectionConfig staff = server();
  staff.remote.groups = {"staff"};
  load(staff);
  log_in();
  ASSERT_NE(pair.b.event<trace::NotInGroup>(), nullptr);
  EXPECT_EQ(pair.b.event<trace::NotInGroup>()->groups, "guests");
  EXPECT_EQ(pair.b.event<trace::NotInGroup>()->wanted, "staff");
  EXPECT_EQ(pair.b.shard->statistics().ike_sas, 0u);
  EXPECT_EQ(pair.a.shard->statistics().ike_sas, 0u);
  EXPECT_TRUE(pair.b.sessions_begun.empty());
}

}  // namespace
}  // namespace culvert::exchange_test
