#include "radius/eap_relay.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "eap/packet.h"
#include "tests/unit/radius/fake_server.h"

namespace culvert::radius {
namespace {

class EapRelayTest : public testing::Test {
 protected:
  static Bytes identity(std::string_view name) {
    return eap::encode({.code = eap::Code::response, .identifier = 5, .type = eap::kIdentity},
                       as_bytes(name));
  }
  static Bytes response() {
    return eap::encode({.code = eap::Code::response, .identifier = 6, .type = eap::kMd5},
                       Bytes(17));
  }
  static void add_eap(Bytes& attributes, eap::Code code) {
    AttributeWriter(attributes)
        .add_eap(eap::encode({.code = code, .identifier = 6, .type = eap::kMd5},
                             code == eap::Code::request ? Bytes(17, 1) : Bytes{}));
  }
  EapRelay::Outcome take(Code code, ByteView attributes) {
    const auto packet = Packet::decode(fake_.answer(request_, code, attributes));
    return relay_.take(*provider_, server_, {{1}, 3, *packet, authenticator_});
  }
  // MS-MPPE keys as RFC 2548, 2.4.2 hides them.
  void add_key(Bytes& attributes, std::uint8_t type, ByteView key) {
    Bytes plain = {static_cast<std::uint8_t>(key.size())};
    append(plain, key);
    plain.resize((plain.size() + 15) / 16 * 16);
    Bytes value = {0x80, type};
    for (std::size_t at = 0; at < plain.size(); at += 16) {
      Bytes mask(16);
      const Bytes before =
          at == 0 ? to_bytes(authenticator_) : Bytes(value.end() - 16, value.end());
      const Bytes salt = at == 0 ? Bytes{0x80, type} : Bytes{};
      (void)provider_->hash(Hash::md5, {as_bytes("testing123"), before, salt}, mask);
      for (std::size_t i = 0; i < 16; ++i)
        value.push_back(static_cast<std::uint8_t>(plain[at + i] ^ mask[i]));
    }
    AttributeWriter(attributes).add_vendor(Vendor::microsoft, type, value);
  }

  std::unique_ptr<Provider> provider_ = make_openssl_provider();
  FakeServer fake_{*provider_, "testing123"};
  Server server_ = test_server("aaa", 1);
  EapRelay relay_{{"gateway", *IpAddress::parse("192.0.2.9")},
                  {4,
                   "office",
                   {*IpAddress::parse("192.0.2.9"), 4500},
                   {*IpAddress::parse("198.51.100.7"), 40'000}}};
  Authenticator authenticator_{1, 2, 3};
  Bytes request_ = Bytes(20);
};

TEST_F(EapRelayTest, RequestsCarryTheIdentityAndThePacket) {
  const auto request = relay_.request(identity("anne"));
  ASSERT_TRUE(request);
  Bytes whole = {1, 0, 0, 0};
  whole.resize(20);
  append(whole, request->attributes);
  store_be(whole.data() + 2, static_cast<std::uint16_t>(whole.size()));
  const auto packet = Packet::decode(whole);
  ASSERT_TRUE(packet);
  EXPECT_EQ(as_text(*packet->find(Type::user_name)), "anne");
  EXPECT_EQ(packet->joined(Type::eap_message), identity("anne"));
  EXPECT_EQ(as_text(*packet->find(Type::nas_identifier)), "gateway");
  EXPECT_EQ(as_text(*packet->find(Type::calling_station_id)), "198.51.100.7[40000]");
  EXPECT_EQ(as_text(*packet->find(Type::nas_port_id)), "office");
  EXPECT_FALSE(packet->find(Type::state));
  EXPECT_FALSE(request->server);
}

TEST_F(EapRelayTest, StateGoesBackToItsServer) {
  ASSERT_TRUE(relay_.request(identity("anne")));
  Bytes attributes;
  AttributeWriter(attributes).add(Type::state, "cookie");
  add_eap(attributes, eap::Code::request);
  const auto outcome = take(Code::access_challenge, attributes);
  ASSERT_TRUE(std::holds_alternative<EapRelay::Challenge>(outcome));
  EXPECT_EQ(std::get<EapRelay::Challenge>(outcome).eap[0], 1);
  const auto request = relay_.request(response());
  ASSERT_TRUE(request);
  EXPECT_EQ(request->server, 3u);
  const Bytes state = {24, 8, 'c', 'o', 'o', 'k', 'i', 'e'};
  EXPECT_FALSE(std::ranges::search(request->attributes, state).empty());
  const Bytes name = {1, 6, 'a', 'n', 'n', 'e'};
  EXPECT_FALSE(std::ranges::search(request->attributes, name).empty());
  // A challenge without State takes the old one back.
  attributes.clear();
  add_eap(attributes, eap::Code::request);
  take(Code::access_challenge, attributes);
  const auto next = relay_.request(response());
  EXPECT_TRUE(std::ranges::search(next->attributes, state).empty());
}

TEST_F(EapRelayTest, KeysBecomeTheMskAndShortOnesArePadded) {
  for (const std::size_t size : {32u, 16u}) {
    Bytes attributes;
    add_eap(attributes, eap::Code::success);
    add_key(attributes, 16, Bytes(size, 0xbb));  // send
    add_key(attributes, 17, Bytes(size, 0xaa));  // receive
    auto outcome = take(Code::access_accept, attributes);
    ASSERT_TRUE(std::holds_alternative<EapRelay::Accepted>(outcome));
    Bytes expected(size, 0xaa);
    expected.resize(2 * size, 0xbb);
    expected.resize(64);
    EXPECT_EQ(to_bytes(std::get<EapRelay::Accepted>(outcome).msk.view()), expected);
  }
  Bytes attributes;
  add_eap(attributes, eap::Code::success);
  EXPECT_TRUE(std::get<EapRelay::Accepted>(take(Code::access_accept, attributes)).msk.empty());
}

TEST_F(EapRelayTest, ForgedOrMalformedKeysAreNoAccess) {
  for (const Bytes& key : {Bytes(5), Bytes(18, 3), Bytes(34, 9)}) {
    Bytes attributes;
    AttributeWriter(attributes).add_vendor(Vendor::microsoft, 17, key);
    const auto outcome = take(Code::access_accept, attributes);
    ASSERT_TRUE(std::holds_alternative<EapRelay::Broken>(outcome));
  }
  Bytes attributes;
  add_key(attributes, 17, Bytes(40));
  EXPECT_TRUE(std::holds_alternative<EapRelay::Broken>(take(Code::access_accept, attributes)));
}

TEST_F(EapRelayTest, TheKindOfPacketDecidesNotTheEapInside) {
  ASSERT_TRUE(relay_.request(identity("anne")));
  Bytes attributes;
  add_eap(attributes, eap::Code::success);
  AttributeWriter(attributes).add(Type::reply_message, "go\naway");
  const auto rejected = take(Code::access_reject, attributes);
  ASSERT_TRUE(std::holds_alternative<EapRelay::Rejected>(rejected));
  EXPECT_EQ(std::get<EapRelay::Rejected>(rejected).eap, (Bytes{4, 5, 0, 4}));
  EXPECT_EQ(std::get<EapRelay::Rejected>(rejected).reply_message.find('\n'), std::string::npos);

  attributes.clear();
  add_eap(attributes, eap::Code::failure);
  const auto accepted = take(Code::access_accept, attributes);
  ASSERT_TRUE(std::holds_alternative<EapRelay::Accepted>(accepted));
  EXPECT_EQ(std::get<EapRelay::Accepted>(accepted).eap, (Bytes{3, 5, 0, 4}));
}

TEST_F(EapRelayTest, AChallengeNeedsAnEapRequest) {
  for (const Bytes& eap : {Bytes{}, Bytes{1}, Bytes{1, 2, 0, 9, 4}, Bytes{3, 2, 0, 4},
                           Bytes{2, 2, 0, 5, 1}, Bytes{1, 2, 0, 3}}) {
    Bytes attributes;
    AttributeWriter(attributes).add_eap(eap);
    EXPECT_TRUE(std::holds_alternative<EapRelay::Broken>(take(Code::access_challenge, attributes)));
  }
}

TEST_F(EapRelayTest, RefusesWhatDoesNotFit) {
  EXPECT_FALSE(relay_.request(Bytes{}));
  EXPECT_FALSE(relay_.request(Bytes{2, 1, 0, 9, 1}));
  EXPECT_FALSE(relay_.request(Bytes{1, 1, 0, 5, 1}));  // a request
  EXPECT_EQ(relay_.request(identity(std::string(254, 'x'))).error().reason, Reason::too_large);
  EXPECT_TRUE(relay_.request(identity(std::string(253, '\xff'))));
  const Bytes large =
      eap::encode({.code = eap::Code::response, .identifier = 6, .type = eap::kTls}, Bytes(4'000));
  EXPECT_EQ(relay_.request(large).error().reason, Reason::too_large);
}

TEST_F(EapRelayTest, AMethodThatNeverEndsIsEnded) {
  std::size_t rounds = 0;
  while (relay_.request(response())) ASSERT_LE(++rounds, limits::kMaxEapRounds);
  EXPECT_EQ(rounds, limits::kMaxEapRounds);
}

TEST_F(EapRelayTest, AuthorizationIsRead) {
  Bytes attributes;
  AttributeWriter writer(attributes);
  writer.add(Type::user_name, "anne@example.org");
  writer.add(Type::framed_ip_address, 0x0a030001u);
  writer.add(Type::framed_ip_address, 0xfffffffeu);  // ours to choose
  writer.add(Type::framed_ipv6_address, IpAddress::parse("2001:db8::7")->bytes());
  writer.add(Type::framed_ipv6_prefix, Bytes{0, 64, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1});
  writer.add(Type::framed_ipv6_prefix, Bytes{0, 129});
  writer.add(Type::framed_pool, "staff");
  writer.add(Type::filter_id, "admins");
  writer.add(Type::class_, "staff");
  writer.add(Type::class_, "admins");
  writer.add(Type::session_timeout, 3'600u);
  writer.add(Type::idle_timeout, Bytes{1, 2, 3});  // too short
  writer.add(Type::acct_interim_interval, 300u);
  writer.add(Type::termination_action, 1u);
  writer.add_vendor(Vendor::microsoft, 28, Bytes{10, 0, 0, 53});
  writer.add_vendor(Vendor::microsoft, 30, Bytes{10, 0, 0, 42});
  writer.add_vendor(Vendor::altiga, 6, Bytes{10, 0, 0, 54});
  writer.add_vendor(Vendor::altiga, 15, as_bytes("wel"));
  writer.add_vendor(Vendor::altiga, 36, as_bytes("come"));
  writer.add_vendor(Vendor::altiga, 27,
                    as_bytes("10.1.0.0/255.255.0.0, 10.2.0.0/16 x 1.0.0.0/255.0.255.0"));
  writer.add_vendor(Vendor::altiga, 29, as_bytes("example.org,example.net"));
  writer.add_vendor(Vendor::altiga, 55, Bytes{0, 0, 0, 1});
  auto outcome = take(Code::access_accept, attributes);
  const auto& granted = std::get<EapRelay::Accepted>(outcome).authorization;
  EXPECT_EQ(granted.user_name, "anne@example.org");
  EXPECT_EQ(granted.addresses,
            (std::vector{*IpAddress::parse("10.3.0.1"), *IpAddress::parse("2001:db8::7")}));
  EXPECT_EQ(granted.ipv6_prefixes, std::vector{*Prefix::parse("2001:db8:0:1::/64")});
  EXPECT_EQ(granted.pool, "staff");
  EXPECT_EQ(granted.groups, (std::vector<std::string>{"admins", "staff"}));
  EXPECT_EQ(granted.classes.size(), 2u);
  EXPECT_EQ(granted.session_timeout, std::chrono::seconds(3'600));
  EXPECT_FALSE(granted.idle_timeout);
  EXPECT_EQ(granted.interim_interval, std::chrono::seconds(300));
  EXPECT_TRUE(granted.reauthenticate);
  EXPECT_EQ(granted.dns,
            (std::vector{*IpAddress::parse("10.0.0.53"), *IpAddress::parse("10.0.0.54")}));
  EXPECT_EQ(granted.nbns, std::vector{*IpAddress::parse("10.0.0.42")});
  EXPECT_EQ(granted.banner, "welcome");
  EXPECT_EQ(granted.split, Authorization::Split::include);
  EXPECT_EQ(granted.split_networks,
            (std::vector{*Prefix::parse("10.1.0.0/16"), *Prefix::parse("10.2.0.0/16")}));
  EXPECT_EQ(granted.split_domains, (std::vector<std::string>{"example.org", "example.net"}));
}

TEST_F(EapRelayTest, ListsOfTheServerAreBounded) {
  Bytes attributes;
  for (int i = 0; i < 200; ++i)
    AttributeWriter(attributes).add(Type::filter_id, "group" + std::to_string(i));
  auto outcome = take(Code::access_accept, attributes);
  EXPECT_EQ(std::get<EapRelay::Accepted>(outcome).authorization.groups.size(),
            limits::kMaxAuthorizationItems);
}

}  // namespace
}  // namespace culvert::radius
