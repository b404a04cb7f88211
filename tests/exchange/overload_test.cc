// Who gets in when many knock: cookies, shares of sources, failing sources, mad peers; and what a
// half-open IKE SA costs.
#include <gtest/gtest.h>
#include <malloc.h>

#include "base/limits.h"
#include "shard/half_open.h"
#include "tests/exchange/mutating_peer.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;
using wire::NotifyType;

IpAddress address(std::uint32_t number) { return IpAddress::v4(0xc6120000 + number); }

// A responder that serves everybody, and strangers with any number of addresses.
class Crowd {
 public:
  explicit Crowd(ShardOptions options = {}) : pair({}, options) {
    load_site(pair);
    ConnectionConfig open = site(false);
    open.remote_addrs.clear();
    pair.b.load(open, pair.now);
    request_ = [] {
      MutatingPeer peer;
      return peer.encode(peer.init_request());
    }();
    pair.wire = [this](InTransit one) -> std::vector<InTransit> {
      if (one.to.address == pair.a.address || one.to.address == pair.b.address) return {one};
      answer_ = one.payload;
      return {};
    };
  }

  // One IKE_SA_INIT request, repeated with its cookie when one is asked for; what answers it last.
  std::optional<wire::Message> knock(const IpAddress& from, bool honest = true) {
    store_be(request_.data(), ++spi_);
    auto answer = send(from, request_);
    if (!answer || !honest) return answer;
    const auto* cookie = wire::find_notify(answer->payloads, NotifyType::cookie);
    if (!cookie) return answer;
    ++cookies;
    auto message = *wire::decode_message(request_);
    message.payloads.insert(
        message.payloads.begin(),
        {wire::PayloadType::notify,
         wire::Notify{wire::ProtocolId::none, {}, NotifyType::cookie, cookie->data}});
    return send(from, wire::encode_message(message.header, message.payloads));
  }
  std::size_t half_open() const { return pair.b.shard->statistics().half_open; }
  bool serves_an_honest_peer() {
    initiate(pair, "net", ++command_);
    const CommandDone* done = pair.a.done(command_);
    const bool success = done && done->success;
    pair.a.shard->command(Terminate{.id = {++command_}, .connection = "site"}, pair.now);
    pair.run();
    return success;
  }

  Pair pair;
  int cookies = 0;

 private:
  std::optional<wire::Message> send(const IpAddress& from, ByteView octets) {
    answer_.clear();
    pair.b.shard->receive({{pair.b.address, 500}, {from, 500}, octets}, pair.now);
    pair.run();
    if (answer_.empty()) return std::nullopt;
    auto message = wire::decode_message(answer_);
    return message ? std::optional(std::move(*message)) : std::nullopt;
  }

  Bytes request_, answer_;
  std::uint64_t spi_ = 0x5500000000000000, command_ = 1'000;
};

bool asks_for_cookie(const std::optional<wire::Message>& answer) {
  return answer && wire::find_notify(answer->payloads, NotifyType::cookie);
}

ShardOptions options(std::size_t threshold, std::size_t most, std::size_t per_address = 32) {
  ShardOptions made;
  made.cookie_threshold = threshold;
  made.max_half_open = most;
  made.max_half_open_per_address = per_address;
  return made;
}

TEST(Overload, CookiesBeginAtTheThresholdAndEndAtHalfOfIt) {
  Crowd crowd(options(8, 1'000));
  for (std::uint32_t i = 0; i < 8; ++i)
    EXPECT_FALSE(asks_for_cookie(crowd.knock(address(i), false)));
  EXPECT_TRUE(asks_for_cookie(crowd.knock(address(8), false)));
  EXPECT_TRUE(crowd.pair.b.event<trace::CookiesBegin>());
  crowd.pair.pass(20s);
  for (std::uint32_t i = 0; i < 4; ++i) crowd.knock(address(100 + i));
  crowd.pair.pass(11s);  // the first eight are gone, four are left
  EXPECT_FALSE(asks_for_cookie(crowd.knock(address(9), false)));
  EXPECT_TRUE(crowd.pair.b.event<trace::CookiesEnd>());
}

// Spoofed addresses never see a cookie.
TEST(Overload, SpoofedAddressesHoldNoMoreThanTheThreshold) {
  Crowd crowd(options(64, 1'000));
  for (std::uint32_t i = 0; i < 5'000; ++i) crowd.knock(address(i), false);
  EXPECT_LE(crowd.half_open(), 64u);
  EXPECT_TRUE(crowd.serves_an_honest_peer());
}

TEST(Overload, AnAddressWithManyMustShowACookie) {
  Crowd crowd(options(1'000, 10'000, 4));
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(asks_for_cookie(crowd.knock(address(1), false)));
  EXPECT_TRUE(asks_for_cookie(crowd.knock(address(1), false)));
  EXPECT_FALSE(asks_for_cookie(crowd.knock(address(2), false)));
}

// A network of 2^64 addresses is one source.
TEST(Overload, AnIpv6NetworkIsOneSource) {
  EXPECT_EQ(source_of(*IpAddress::parse("2001:db8::1")),
            source_of(*IpAddress::parse("2001:db8::f:2")));
  EXPECT_NE(source_of(*IpAddress::parse("2001:db8::1")),
            source_of(*IpAddress::parse("2001:db8:0:1::1")));
  EXPECT_NE(source_of(address(1)), source_of(address(2)));
}

// With cookies, a source holds its share; beyond it, its own oldest give way, so that a newcomer
// behind the same NAT gets in.
TEST(Overload, ASourceWithItsShareMakesRoomOutOfItsOwn) {
  Crowd crowd(options(1'000, 10'000, 4));
  const std::size_t share = 4 * limits::kCookieShare;
  for (std::size_t i = 0; i < share - 1; ++i) crowd.knock(address(1));
  crowd.knock(address(2));
  EXPECT_EQ(crowd.half_open(), share);
  for (int i = 0; i < 20; ++i) {
    const auto answer = crowd.knock(address(1));
    ASSERT_TRUE(answer);
    EXPECT_NE(answer->header.spi_r, 0u);
  }
  EXPECT_EQ(crowd.half_open(), share + 1);
  EXPECT_TRUE(crowd.pair.b.event<trace::HalfOpenEvicted>());
  EXPECT_TRUE(crowd.serves_an_honest_peer());
}

TEST(Overload, WhenAllPlacesAreTakenTheOldestGivesWay) {
  Crowd crowd(options(8, 40));
  for (std::uint32_t i = 0; i < 100; ++i) crowd.knock(address(i));
  EXPECT_EQ(crowd.half_open(), 40u);
  EXPECT_TRUE(crowd.serves_an_honest_peer());
  crowd.pair.pass(31s);
  EXPECT_EQ(crowd.half_open(), 0u);
}

// A source that never gets through is slowed down, while others and its better moments are served.
TEST(Overload, FailingSourcesAreSlowedDown) {
  Crowd crowd(options(10'000, 100'000, 10'000));
  for (std::uint32_t i = 0; i < limits::kMaxFailures; ++i) crowd.knock(address(1));
  crowd.pair.pass(31s);  // all of them have come to nothing
  std::size_t answered = 0;
  for (int i = 0; i < 100; ++i) answered += crowd.knock(address(1)).has_value();
  EXPECT_EQ(answered, limits::kFailingSourcePerSecond);
  EXPECT_TRUE(crowd.pair.b.event<trace::SourceSlowed>());
  EXPECT_TRUE(crowd.knock(address(2)));
  crowd.pair.now += 1s;
  EXPECT_TRUE(crowd.knock(address(1)));
  EXPECT_TRUE(crowd.serves_an_honest_peer());
  crowd.pair.pass(120s);
  answered = 0;
  for (int i = 0; i < 100; ++i) answered += crowd.knock(address(1)).has_value();
  EXPECT_EQ(answered, 100u);
}

// Wrong keys: each attempt ends at once, and counts.
TEST(Overload, WrongCredentialsLeaveNothingAndAreSlowedDown) {
  MutatingPeer peer;
  const auto before = peer.victim().shard->statistics();
  std::uint32_t refused = 0;
  for (std::uint32_t i = 0; i < limits::kMaxFailures + limits::kFailingSourcePerSecond; ++i) {
    peer.spi_i = 0x100 + i;
    peer.spi_r = 0;
    peer.half_open();
    Draft draft = peer.auth_request();
    draft.body<wire::Auth>(wire::PayloadType::auth).data[0] ^= 1;
    refused += peer.send(draft).has(NotifyType::authentication_failed);
    EXPECT_EQ(peer.victim().shard->statistics().half_open, before.half_open);
  }
  EXPECT_EQ(refused, limits::kMaxFailures + limits::kFailingSourcePerSecond);
  peer.spi_i = 0x99;
  peer.spi_r = 0;
  EXPECT_EQ(peer.send(peer.init_request()).datagrams, 0u);
}

// An authenticated peer that wants new keys without end.
TEST(Overload, AMadPeerIsHeldBack) {
  MutatingPeer peer;
  peer.establish();
  std::uint32_t granted = 0;
  for (std::uint32_t i = 0; i < limits::kChildRequestBurst + 100; ++i) {
    const std::uint32_t spi = 0x5000 + i;
    const Reaction made = peer.send(peer.child_request(spi));
    ++peer.message_id;
    if (made.has(NotifyType::temporary_failure)) continue;
    ++granted;
    Draft end = peer.informational();
    Bytes octets(4);
    store_be(octets.data(), spi);
    end.add(wire::PayloadType::delete_, wire::Delete{wire::ProtocolId::esp, 4, octets});
    peer.send(end);
    ++peer.message_id;
  }
  EXPECT_EQ(granted, limits::kChildRequestBurst);
  EXPECT_TRUE(peer.victim().event<trace::PeerSlowed>());
  EXPECT_EQ(peer.victim().shard->statistics().child_sas, 2u);
  peer.pair.now += 1s;
  EXPECT_FALSE(peer.send(peer.child_request(0x4000)).has(NotifyType::temporary_failure));
}

// RFC 7296, 2.6 asks for little state: what a half-open IKE SA takes in all, with its indexes.
TEST(Overload, AHalfOpenIkeSaIsSmall) {
  Crowd crowd(options(100'000, 100'000, 100'000));
  crowd.knock(address(0));
  constexpr std::uint32_t kCount = 4'096;
  crowd.pair.sent.clear();
  crowd.pair.b.events.clear();
  const std::size_t before = mallinfo2().uordblks;
  for (std::uint32_t i = 1; i <= kCount; ++i) {
    crowd.knock(address(i));
    crowd.pair.sent.clear();
    crowd.pair.b.events.clear();
  }
  const std::size_t each = (mallinfo2().uordblks - before) / kCount;
  ASSERT_EQ(crowd.half_open(), kCount + 1);
  RecordProperty("octets", static_cast<int>(each));
  std::cout << each << " octets for each half-open IKE SA\n";
  EXPECT_LE(each, 1'792u);
}

}  // namespace
}  // namespace culvert::exchange_test
