// Setting up: IKE_SA_INIT and IKE_AUTH between two shards.
#include <gmock/gmock.h>

#include "tests/exchange/pair.h"
#include "wire/v2/message.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

std::vector<std::string> ladder(const Gateway& gateway) {
  std::vector<std::string> lines;
  for (const trace::Event& event : gateway.events)
    if (std::holds_alternative<trace::MessageSent>(event.body) ||
        std::holds_alternative<trace::MessageReceived>(event.body))
      lines.push_back(trace::sentence_of(event));
  return lines;
}

TEST(Setup, FourMessagesMakeATunnel) {
  Pair pair;
  load_site(pair);
  initiate(pair);
  ASSERT_TRUE(pair.a.done(1));
  EXPECT_TRUE(pair.a.done(1)->success) << pair.a.done(1)->explanation;
  EXPECT_EQ(pair.sent.size(), 4u);
  EXPECT_EQ(pair.a.sad.size(), 2u);
  EXPECT_TRUE(sads_agree(pair));
  EXPECT_EQ(pair.a.policies.size(), 1u);
  EXPECT_EQ(ladder(pair.a).size(), 4u);
  EXPECT_EQ(pair.b.up_downs.size(), 2u);
}

TEST(Setup, ResponderInstallsBeforeItAnswers) {
  Pair pair;
  load_site(pair);
  std::size_t installed_when_answered = 0;
  pair.wire = [&](InTransit one) {
    if (one.from.address == pair.b.address) installed_when_answered = pair.b.sad.size();
    return std::vector<InTransit>{std::move(one)};
  };
  initiate(pair);
  EXPECT_EQ(installed_when_answered, 2u);
}

class Suites : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(Suites, Agree) {
  Pair pair;
  load_site(pair, GetParam().first, GetParam().second);
  initiate(pair);
  ASSERT_TRUE(pair.a.done(1));
  EXPECT_TRUE(pair.a.done(1)->success) << pair.a.done(1)->explanation;
  EXPECT_TRUE(sads_agree(pair));
}

INSTANTIATE_TEST_SUITE_P(
    Matrix, Suites,
    ::testing::Values(std::pair{"aes128-sha256-modp2048", "aes128-sha256"},
                      std::pair{"aes192-sha384-ecp256", "aes192-sha384"},
                      std::pair{"aes256-sha512-ecp384", "aes256-sha512"},
                      std::pair{"aes256-sha1-ecp521", "aes256-sha1"},
                      std::pair{"aes128ctr-aesxcbc-x448", "aes256ctr-aesxcbc"},
                      std::pair{"aes128-aescmac-prfaescmac-x25519", "aes128-aescmac"},
                      std::pair{"aes256gcm8-prfaesxcbc-x25519", "aes256gcm12"},
                      std::pair{"aes192ccm12-prfsha384-x25519", "aes128ccm16"},
                      std::pair{"chacha20poly1305-prfsha512-x25519", "chacha20poly1305"},
                      std::pair{"aes128gcm16-prfsha256-x25519", "aes128gcm16-esn"}));

TEST(Setup, RetriesWithTheMethodThatTheResponderWants) {
  Pair pair;
  pair.a.load(site(true, "aes128gcm16-prfsha256-x25519-ecp256"), pair.now);
  pair.b.load(site(false, "aes128gcm16-prfsha256-ecp256"), pair.now);
  pair.a.load_psk("psk", "secret", {}, pair.now);
  pair.b.load_psk("psk", "secret", {}, pair.now);
  initiate(pair);
  ASSERT_TRUE(pair.a.event<trace::RetryWithKe>());
  EXPECT_TRUE(pair.a.done(1)->success);
  EXPECT_TRUE(sads_agree(pair));
}

// The network doubles the request, and so the responder says twice which method it wants.
TEST(Setup, RetriesOnceForTheSameMethodAskedForTwice) {
  Pair pair;
  pair.a.load(site(true, "aes128gcm16-prfsha256-x25519-ecp256"), pair.now);
  pair.b.load(site(false, "aes128gcm16-prfsha256-ecp256"), pair.now);
  pair.a.load_psk("psk", "secret", {}, pair.now);
  pair.b.load_psk("psk", "secret", {}, pair.now);
  pair.wire = [](InTransit one) { return std::vector<InTransit>{one, one}; };
  initiate(pair);
  ASSERT_TRUE(pair.a.done(1));
  EXPECT_TRUE(pair.a.done(1)->success);
  EXPECT_TRUE(sads_agree(pair));
}

TEST(Setup, RetriesWithACookie) {
  ShardOptions strict;
  strict.cookie_threshold = 0;
  Pair pair({}, strict);
  load_site(pair);
  initiate(pair);
  ASSERT_TRUE(pair.a.event<trace::RetryWithCookie>());
  EXPECT_TRUE(pair.a.done(1)->success);
  EXPECT_EQ(pair.sent.size(), 6u);
}

TEST(Setup, CookieAndOtherMethodTogether) {
  ShardOptions strict;
  strict.cookie_threshold = 0;
  Pair pair({}, strict);
  pair.a.load(site(true, "aes128gcm16-prfsha256-x25519-ecp256"), pair.now);
  pair.b.load(site(false, "aes128gcm16-prfsha256-ecp256"), pair.now);
  pair.a.load_psk("psk", "secret", {}, pair.now);
  pair.b.load_psk("psk", "secret", {}, pair.now);
  initiate(pair);
  EXPECT_TRUE(pair.a.done(1)->success);
}

TEST(Setup, LostMessagesAreSentAgain) {
  for (std::size_t lost = 0; lost < 4; ++lost) {
    Pair pair;
    load_site(pair);
    std::size_t count = 0;
    pair.wire = [&](InTransit one) {
      return count++ == lost ? std::vector<InTransit>{} : std::vector<InTransit>{std::move(one)};
    };
    initiate(pair);
    pair.pass(10s);
    ASSERT_TRUE(pair.a.done(1)) << lost;
    EXPECT_TRUE(pair.a.done(1)->success) << lost;
    EXPECT_TRUE(sads_agree(pair)) << lost;
    EXPECT_EQ(pair.b.shard->list_sas(pair.now).size(), 1u) << lost;
  }
}

TEST(Setup, EverythingTwiceMakesOneTunnel) {
  Pair pair;
  load_site(pair);
  pair.wire = [](InTransit one) { return std::vector<InTransit>{one, one}; };
  initiate(pair);
  pair.pass(40s);
  EXPECT_TRUE(pair.a.done(1)->success);
  EXPECT_EQ(pair.b.sad.size(), 2u);
  EXPECT_EQ(pair.b.shard->list_sas(pair.now).size(), 1u);
}

TEST(Setup, NatOnEitherSideMeansUdpEncapsulation) {
  Pair pair;
  load_site(pair);
  // A NAT before `a`: its packets come from another port.
  pair.wire = [&](InTransit one) {
    if (one.from.address == pair.a.address)
      one.from.port = static_cast<std::uint16_t>(one.from.port + 20'000);
    else
      one.to.port = static_cast<std::uint16_t>(one.to.port - 20'000);
    return std::vector<InTransit>{std::move(one)};
  };
  ConnectionConfig open = site(false);
  pair.b.load(open, pair.now);
  initiate(pair);
  ASSERT_TRUE(pair.a.done(1));
  EXPECT_TRUE(pair.a.done(1)->success) << pair.a.done(1)->explanation;
  for (const auto& [key, sa] : pair.a.sad) EXPECT_TRUE(sa.udp_encap);
  for (const auto& [key, sa] : pair.b.sad) {
    EXPECT_TRUE(sa.udp_encap);
    EXPECT_EQ(sa.remote.port, 24'500);
    EXPECT_EQ(sa.local.port, 4'500);
  }
  EXPECT_TRUE(pair.a.event<trace::NatDetected>()->local);
  EXPECT_TRUE(pair.b.event<trace::NatDetected>()->remote);
}

TEST(Setup, EncapsulationCanBeForced) {
  Pair pair;
  ConnectionConfig forced = site(true);
  forced.encap = Encap::always;
  load_site(pair);
  pair.a.load(forced, pair.now);
  initiate(pair);
  for (const auto& [key, sa] : pair.a.sad) EXPECT_TRUE(sa.udp_encap);
  for (const auto& [key, sa] : pair.b.sad) EXPECT_TRUE(sa.udp_encap);
}

// Two connections for any address whose proposals overlap: the identity decides, not the order.
TEST(Setup, IdentityDecidesAmongConnectionsWithOtherProposals) {
  Pair pair;
  load_site(pair);
  ConnectionConfig named = site(true, "aes128gcm16-prfsha256-x25519-ecp256");
  named.local.id = *parse_identity("moon.example.org");
  pair.a.load(named, pair.now);
  for (const auto& [name, id, ike] :
       {std::tuple{"first", "sun.example.org", "aes128gcm16-prfsha256-x25519"},
        std::tuple{"site", "moon.example.org", "aes128gcm16-aes256gcm16-prfsha256-x25519"}}) {
    ConnectionConfig open = site(false, ike);
    open.name = name;
    open.remote_addrs.clear();
    open.remote.id = *parse_identity(id);
    pair.b.load(open, pair.now);
  }
  initiate(pair);
  ASSERT_TRUE(pair.a.done(1));
  EXPECT_TRUE(pair.a.done(1)->success) << pair.a.done(1)->explanation;
  EXPECT_EQ(pair.b.shard->list_sas(pair.now).at(0).name, "site");
}

// ---- refusals: one event that says why, on both sides, and nothing left behind ----

template <class E>
void expect_refused(Pair& pair, const Gateway& explains) {
  initiate(pair);
  pair.pass(200s);
  ASSERT_TRUE(pair.a.done(1));
  EXPECT_FALSE(pair.a.done(1)->success);
  EXPECT_NE(pair.a.done(1)->explanation, "");
  EXPECT_TRUE(explains.event<E>());
  EXPECT_TRUE(pair.a.sad.empty());
  EXPECT_TRUE(pair.b.sad.empty());
}

TEST(Refusal, NoCommonIkeProposal) {
  Pair pair;
  load_site(pair);
  pair.b.load(site(false, "aes256-sha512-modp4096"), pair.now);
  expect_refused<trace::NoCommonProposal>(pair, pair.b);
  EXPECT_EQ(pair.a.event<trace::PeerRefused>()->notify, wire::NotifyType::no_proposal_chosen);
  EXPECT_EQ(pair.b.shard->statistics().ike_sas, 0u);
  const auto& why = *pair.b.event<trace::NoCommonProposal>();
  EXPECT_THAT(why.offered, HasSubstr("aes128gcm16"));
  EXPECT_THAT(why.accepted, HasSubstr("aes256"));
}

TEST(Refusal, WrongSecret) {
  Pair pair;
  load_site(pair);
  pair.b.load_psk("psk", "another secret", {}, pair.now);
  expect_refused<trace::WrongSecret>(pair, pair.b);
  EXPECT_EQ(pair.a.event<trace::PeerRefused>()->notify, wire::NotifyType::authentication_failed);
  EXPECT_EQ(pair.b.shard->statistics().ike_sas, 0u);
}

TEST(Refusal, NoSecret) {
  Pair pair;
  load_site(pair);
  pair.b.shard->command(ClearSecrets{}, pair.now);
  expect_refused<trace::NoSecret>(pair, pair.b);
}

TEST(Refusal, WrongIdentity) {
  Pair pair;
  load_site(pair);
  ConnectionConfig named = site(true);
  named.local.id = *parse_identity("moon.example.org");
  pair.a.load(named, pair.now);
  ConnectionConfig strict = site(false);
  strict.remote.id = *parse_identity("sun.example.org");
  pair.b.load(strict, pair.now);
  expect_refused<trace::NoConnectionForIdentity>(pair, pair.b);
  EXPECT_THAT(pair.b.event<trace::NoConnectionForIdentity>()->explanation,
              HasSubstr("moon.example.org"));
}

TEST(Refusal, ResponderIsSomebodyElse) {
  Pair pair;
  load_site(pair);
  ConnectionConfig strict = site(true);
  strict.remote.id = *parse_identity("sun.example.org");
  pair.a.load(strict, pair.now);
  ConnectionConfig named = site(false);
  named.local.id = *parse_identity("moon.example.org");
  pair.b.load(named, pair.now);
  expect_refused<trace::NoConnectionForIdentity>(pair, pair.b);
}

TEST(Refusal, SelectorsDoNotOverlapButIkeStaysUp) {
  Pair pair;
  load_site(pair);
  ConnectionConfig other = site(false);
  other.children[0].local = {*parse_selector("10.9.0.0/16")};
  pair.b.load(other, pair.now);
  expect_refused<trace::SelectorsUnacceptable>(pair, pair.b);
  EXPECT_EQ(pair.a.event<trace::PeerRefused>()->notify, wire::NotifyType::ts_unacceptable);
  EXPECT_EQ(pair.a.shard->list_sas(pair.now).at(0).state, "ESTABLISHED");
}

TEST(Refusal, NoCommonEspProposal) {
  Pair pair;
  load_site(pair);
  pair.b.load(site(false, "aes128gcm16-prfsha256-x25519", "aes256-sha256"), pair.now);
  expect_refused<trace::NoCommonProposal>(pair, pair.b);
  EXPECT_EQ(pair.b.event<trace::NoCommonProposal>()->protocol, "ESP");
}

TEST(Refusal, NoAnswer) {
  Pair pair;
  load_site(pair);
  pair.wire = [](InTransit) { return std::vector<InTransit>{}; };
  expect_refused<trace::NoAnswer>(pair, pair.a);
  EXPECT_EQ(pair.a.event<trace::NoAnswer>()->attempts, 6u);
  EXPECT_EQ(pair.a.shard->statistics().ike_sas, 0u);
}

TEST(Refusal, AddressOfNoConnection) {
  Pair pair;
  load_site(pair);
  pair.b.shard->command(UnloadConnection{{9}, "site"}, pair.now);
  expect_refused<trace::NoConnectionForAddresses>(pair, pair.b);
}

}  // namespace
}  // namespace culvert::exchange_test
