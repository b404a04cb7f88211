// A peer that breaks the rules of EAP inside IKE_AUTH: out of turn, again, cut short, without end.
#include <gtest/gtest.h>

#include "eap/packet.h"
#include "tests/exchange/mutating_peer.h"
#include "trace/render.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;
using wire::ExchangeType;
using wire::NotifyType;
using wire::PayloadType;

class HostileEapTest : public ::testing::Test {
 protected:
  HostileEapTest() {
    ConnectionConfig connection = site(false);
    connection.name = "mutant";
    connection.remote_addrs = {*parse_address_pattern("192.0.2.66")};
    connection.children[0].remote = {*parse_selector("10.6.0.0/16")};
    connection.remote.kind = AuthKind::eap;
    connection.remote.eap_id = Identity{};
    connection.remote.eap_methods = {"mschapv2", "md5"};
    peer.victim().load(connection, peer.pair.now);
    eap::User carol;
    carol.name = "carol";
    carol.password = eap::ClearPassword{SecretBytes(as_bytes("secret"))};
    peer.victim().shard->command(LoadUser{std::move(carol)}, peer.pair.now);
    peer.half_open();
    Draft first = peer.auth_request();
    first.remove(PayloadType::auth);
    take(peer.send(first));
    EXPECT_EQ(asked().type, eap::kIdentity);
  }

  void take(const Reaction& reaction) {
    ++peer.message_id;
    last = reaction;
    if (const auto* eap = wire::find<wire::Eap>(last.payloads, PayloadType::eap))
      request = eap->data;
  }
  eap::Packet asked() const { return *eap::decode(request); }
  void say(Bytes packet) {
    Draft draft{peer.header(ExchangeType::ike_auth), {}};
    draft.add(PayloadType::eap, wire::Eap{std::move(packet)});
    take(peer.send(draft));
  }
  void answer(eap::Type type, ByteView data = {}) {
    say(eap::encode({eap::Code::response, asked().identifier, false, type, {}, {}}, data));
  }
  // The victim has said the same again, and still waits.
  void expect_ignored(const Bytes& packet) {
    const Bytes before = request;
    say(packet);
    EXPECT_EQ(last.datagrams, 1u);
    EXPECT_EQ(request, before);
    EXPECT_EQ(half_open(), 1u);
  }
  std::size_t half_open() { return peer.victim().shard->statistics().half_open; }
  std::string why() {
    const auto* failed = peer.victim().event<trace::EapFailed>();
    return failed ? failed->explanation : std::string();
  }

  MutatingPeer peer;
  Reaction last;
  Bytes request;  // the victim's latest EAP packet
};

TEST_F(HostileEapTest, WhatIsNoAnswerChangesNothing) {
  const std::uint8_t identifier = asked().identifier;
  const Bytes name = eap::encode({eap::Code::response, identifier, false, eap::kIdentity, {}, {}},
                                 as_bytes("carol"));
  for (const eap::Code code : {eap::Code::request, eap::Code::success, eap::Code::failure}) {
    Bytes other = name;
    other[0] = static_cast<std::uint8_t>(code);
    expect_ignored(other);
  }
  Bytes late = name;
  --late[1];
  expect_ignored(late);
  for (const eap::Type type : {eap::kNak, eap::kMd5, eap::kTls, eap::kSim})
    expect_ignored(eap::encode({eap::Code::response, identifier, false, type, {}, {}}));
  say(name);
  EXPECT_EQ(asked().type, eap::kMschapv2);
}

// RFC 7296, 3.16: the lengths must agree; 2.21.3: bad syntax of one who has the keys is fatal.
TEST_F(HostileEapTest, APacketThatIsCutShortEndsTheSetUp) {
  say(Bytes{2, asked().identifier, 0, 9, 1, 'c', 'a'});
  EXPECT_TRUE(wire::find_notify(last.payloads, NotifyType::invalid_syntax));
  EXPECT_EQ(half_open(), 0u);
}

TEST_F(HostileEapTest, ARepeatedAnswerIsNotTakenTwice) {
  answer(eap::kIdentity, as_bytes("carol"));
  const Bytes nak =
      eap::encode({eap::Code::response, asked().identifier, false, eap::kNak, {}, {}}, Bytes{4});
  say(nak);
  EXPECT_EQ(asked().type, eap::kMd5);
  expect_ignored(nak);
}

TEST_F(HostileEapTest, AConversationWithoutEndIsEnded) {
  for (std::size_t round = 0; round <= limits::kMaxEapRounds + 1 && half_open() > 0; ++round)
    say(Bytes{2, 0, 0, 5, 99});
  EXPECT_EQ(half_open(), 0u);
  EXPECT_NE(why().find("does not come to an end"), std::string::npos) << why();
}

TEST_F(HostileEapTest, AuthBeforeTheEndOfEapIsRefused) {
  Draft draft{peer.header(ExchangeType::ike_auth), {}};
  draft.add(PayloadType::auth, wire::Auth{wire::AuthMethod::shared_key, Bytes(32, 1)});
  take(peer.send(draft));
  EXPECT_TRUE(last.has(NotifyType::invalid_syntax));
  EXPECT_EQ(half_open(), 0u);
}

TEST_F(HostileEapTest, AWrongProofGetsNoTunnel) {
  answer(eap::kIdentity, as_bytes("carol"));
  answer(eap::kNak, Bytes{4});
  Bytes response{16};
  response.resize(17, 0x55);
  answer(eap::kMd5, response);
  EXPECT_EQ(asked().code, eap::Code::failure);
  EXPECT_NE(why().find("password or key is wrong"), std::string::npos) << why();
  EXPECT_EQ(half_open(), 0u);
}

TEST_F(HostileEapTest, GivingUpIsToldOnce) {
  answer(eap::kIdentity, as_bytes("carol"));
  Draft draft{peer.header(ExchangeType::informational), {}};
  draft.add(PayloadType::delete_, wire::Delete{wire::ProtocolId::ike, 0, {}});
  take(peer.send(draft));
  EXPECT_NE(why().find("the peer gave up"), std::string::npos) << why();
  EXPECT_EQ(half_open(), 0u);
}

}  // namespace
}  // namespace culvert::exchange_test
