// Fragments that break a rule of RFC 7383, before and after authentication.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "tests/exchange/hostile_table.h"

namespace culvert::exchange_test {
namespace {

using wire::NotifyType;
using wire::PayloadType;

constexpr const char* kDropped = "message_dropped";

// A message cut into `total` chunks of nearly one size.
class Cut {
 public:
  Cut(MutatingPeer& peer, const Draft& draft) : Cut(peer, draft, draft.header) {}
  Cut(MutatingPeer& peer, const Draft& draft, const wire::Header& header)
      : peer_(peer),
        header_(header),
        first_(wire::first_type(draft.payloads)),
        plaintext_(MutatingPeer::plaintext_of(draft)) {}
  Reaction send(std::uint16_t number, std::uint16_t total) {
    return peer_.send(octets(number, total));
  }
  Bytes octets(std::uint16_t number, std::uint16_t total) const {
    const std::size_t chunk = (plaintext_.size() + total - 1) / total;
    const std::size_t from = std::min(plaintext_.size(), chunk * (number - 1u));
    const std::size_t size = std::min(chunk, plaintext_.size() - from);
    return peer_.seal(header_, number == 1 ? first_ : PayloadType::none,
                      ByteView(plaintext_).subspan(from, size),
                      wire::FragmentPosition{number, total});
  }

 private:
  MutatingPeer& peer_;
  wire::Header header_;
  PayloadType first_;
  Bytes plaintext_;
};

using Play = std::function<Reaction(MutatingPeer&, Cut&)>;
std::function<Reaction(MutatingPeer&)> proof(Play play) {
  return [play = std::move(play)](MutatingPeer& peer) {
    peer.half_open();
    Cut cut(peer, peer.auth_request());
    return play(peer, cut);
  };
}
Reaction odd(MutatingPeer& peer, std::uint16_t number, std::uint16_t total) {
  return peer.send(peer.seal(peer.auth_request().header, PayloadType::none, Bytes(100),
                             wire::FragmentPosition{number, total}));
}

const Row kRows[] = {
    {"number 0", "RFC 7383, 2.6", proof([](MutatingPeer& peer, Cut&) { return odd(peer, 0, 2); }),
     kSilence, kDropped, Left::half_open},
    {"a total of 0", "RFC 7383, 2.6",
     proof([](MutatingPeer& peer, Cut&) { return odd(peer, 0, 0); }), kSilence, kDropped,
     Left::half_open},
    {"a number above the total", "RFC 7383, 2.6",
     proof([](MutatingPeer& peer, Cut&) { return odd(peer, 3, 2); }), kSilence, kDropped,
     Left::half_open},
    {"a total of 65535", "RFC 7383, 2.6: bounded memory",
     proof([](MutatingPeer& peer, Cut&) { return odd(peer, 7, 65'535); }), kSilence, kDropped,
     Left::half_open},
    {"in order", "RFC 7383, 2.6", proof([](MutatingPeer&, Cut& cut) {
       EXPECT_EQ(cut.send(1, 2).datagrams, 0u);
       return cut.send(2, 2);
     }),
     kNormal, "", Left::tunnel},
    {"in reverse", "RFC 7383, 2.6", proof([](MutatingPeer&, Cut& cut) {
       cut.send(3, 3);
       cut.send(2, 3);
       return cut.send(1, 3);
     }),
     kNormal, "", Left::tunnel},
    {"one fragment that is all", "RFC 7383, 2.5",
     proof([](MutatingPeer&, Cut& cut) { return cut.send(1, 1); }), kNormal, "", Left::tunnel},
    {"one fragment only", "RFC 7383, 2.6",
     proof([](MutatingPeer&, Cut& cut) { return cut.send(1, 2); }), kSilence, "", Left::half_open},
    {"the same fragment again", "RFC 7383, 2.6", proof([](MutatingPeer&, Cut& cut) {
       cut.send(1, 2);
       return cut.send(1, 2);
     }),
     kSilence, kDropped, Left::half_open},
    {"a smaller total after a larger one", "RFC 7383, 2.6", proof([](MutatingPeer&, Cut& cut) {
       cut.send(1, 3);
       return cut.send(2, 2);
     }),
     kSilence, kDropped, Left::half_open},
    {"a smaller total, then the rest of the larger one", "RFC 7383, 2.6",
     proof([](MutatingPeer&, Cut& cut) {
       cut.send(1, 3);
       cut.send(1, 2);
       cut.send(2, 2);
       cut.send(2, 3);
       return cut.send(3, 3);
     }),
     kNormal, "", Left::tunnel},
    {"a larger total starts again", "RFC 7383, 2.6", proof([](MutatingPeer&, Cut& cut) {
       cut.send(1, 2);
       cut.send(3, 3);
       cut.send(1, 3);
       return cut.send(2, 3);
     }),
     kNormal, "", Left::tunnel},
    {"fragments of two totals do not mix", "RFC 7383, 2.5.2", proof([](MutatingPeer&, Cut& cut) {
       cut.send(1, 2);
       cut.send(2, 3);
       return cut.send(3, 3);
     }),
     kSilence, "", Left::half_open},
    {"a larger total that does not verify", "RFC 7383, 2.6",
     proof([](MutatingPeer& peer, Cut& cut) {
       cut.send(1, 2);
       Bytes forged = cut.octets(1, 3);
       forged.back() ^= 1;
       EXPECT_EQ(peer.send(forged).datagrams, 0u);
       return cut.send(2, 2);
     }),
     kNormal, "", Left::tunnel},
    {"a forged fragment", "RFC 7383, 2.6", proof([](MutatingPeer& peer, Cut& cut) {
       Bytes forged = cut.octets(1, 2);
       forged[40] ^= 1;
       return peer.send(forged);
     }),
     kSilence, kDropped, Left::half_open},
    {"another exchange under the same message ID", "RFC 7383, 2.5",
     proof([](MutatingPeer& peer, Cut& cut) {
       cut.send(1, 2);
       Draft draft = peer.auth_request();
       draft.header.exchange = wire::ExchangeType::informational;
       return Cut(peer, draft).send(2, 2);
     }),
     kSilence, kDropped, Left::half_open},
    {"message ID outside the window", "RFC 7296, 2.3", proof([](MutatingPeer& peer, Cut&) {
       Draft draft = peer.auth_request();
       draft.header.message_id = 9;
       return Cut(peer, draft).send(1, 2);
     }),
     kSilence, kDropped, Left::half_open},
    {"the whole message after some fragments", "RFC 7383, 2.6",
     proof([](MutatingPeer& peer, Cut& cut) {
       cut.send(1, 2);
       return peer.send(peer.auth_request());
     }),
     kNormal, "", Left::tunnel},
    {"more than a message may hold", "RFC 7383, 2.6: bounded memory",
     proof([](MutatingPeer& peer, Cut&) {
       const wire::Header header = peer.auth_request().header;
       Reaction last;
       for (std::uint16_t number = 1; number <= 7; ++number)
         last = peer.send(peer.seal(header, PayloadType::none, Bytes(10'000),
                                    wire::FragmentPosition{number, 100}));
       return last;
     }),
     kSilence, kDropped, Left::half_open},
    {"first fragment without the payload's type", "RFC 7383, 2.5",
     proof([](MutatingPeer& peer, Cut& cut) {
       const Draft draft = peer.auth_request();
       cut.send(2, 2);
       const Bytes all = MutatingPeer::plaintext_of(draft);
       return peer.send(peer.seal(draft.header, PayloadType::none,
                                  ByteView(all).first((all.size() + 1) / 2),
                                  wire::FragmentPosition{1, 2}));
     }),
     refusal(NotifyType::invalid_syntax), "malformed_message", Left::nothing},
    {"fragments that were not announced", "RFC 7383, 2.3",
     [](MutatingPeer& peer) {
       Draft first = peer.init_request();
       first.remove(PayloadType::notify);
       peer.first_message = peer.encode(first);
       peer.accept_init(peer.send(peer.first_message));
       return Cut(peer, peer.auth_request()).send(1, 2);
     },
     kSilence, kDropped, Left::half_open},
    {"second fragment of an answered request", "RFC 7383, 2.6.1",
     proof([](MutatingPeer&, Cut& cut) {
       cut.send(1, 2);
       cut.send(2, 2);
       return cut.send(2, 2);
     }),
     kSilence, "", Left::tunnel},
    {"first fragment of an answered request", "RFC 7383, 2.6.1", proof([](MutatingPeer&, Cut& cut) {
       cut.send(1, 2);
       cut.send(2, 2);
       return cut.send(1, 2);
     }),
     kNormal, "", Left::tunnel},
    {"a forged first fragment of an answered request", "RFC 7383, 2.6.1",
     proof([](MutatingPeer& peer, Cut& cut) {
       cut.send(1, 2);
       cut.send(2, 2);
       Bytes forged = cut.octets(1, 2);
       forged.back() ^= 1;
       return peer.send(forged);
     }),
     kSilence, kDropped, Left::tunnel},
};

class HostileFragments : public ::testing::TestWithParam<Row> {};
TEST_P(HostileFragments, IsAnsweredAsTheRfcWants) { expect(GetParam()); }
INSTANTIATE_TEST_SUITE_P(Fragments, HostileFragments, ::testing::ValuesIn(kRows));

// Half-open SAs by the hundred, each with a message that is never finished: what they hold stays
// bounded, and an honest peer's fragments find room.
TEST(HostileFragments, AFloodStaysBounded) {
  MutatingPeer peer;
  peer.victim().load(
      [] {
        ConnectionConfig open = site(false);
        open.name = "open";
        open.remote_addrs.clear();
        return open;
      }(),
      peer.pair.now);
  for (std::uint32_t i = 0; i < 250; ++i) {
    peer.address = IpAddress::v4(0xcb007100 + i);
    peer.spi_i = 0x1000 + i;
    peer.spi_r = 0;
    peer.message_id = 0;
    Draft first = peer.init_request();
    Reaction answer = peer.send(first);
    if (const auto* cookie = wire::find_notify(answer.payloads, NotifyType::cookie)) {
      Draft again = first;
      again.payloads.insert(
          again.payloads.begin(),
          {PayloadType::notify,
           wire::Notify{wire::ProtocolId::none, {}, NotifyType::cookie, cookie->data}});
      answer = peer.send(again);
    }
    peer.accept_init(answer);
    for (std::uint16_t number = 1; number <= 6; ++number)
      peer.send(peer.seal(peer.header(wire::ExchangeType::ike_auth), PayloadType::none,
                          Bytes(10'000), wire::FragmentPosition{number, 7}));
    ASSERT_LE(peer.victim().shard->statistics().fragment_octets, limits::kMaxReassemblyOctets);
  }
  EXPECT_GT(peer.victim().shard->statistics().fragment_octets,
            limits::kMaxReassemblyOctets - 100'000);
  peer.pair.pass(limits::kHalfOpenLifetime + std::chrono::seconds(1));
  EXPECT_EQ(peer.victim().shard->statistics().fragment_octets, 0u);
}

}  // namespace
}  // namespace culvert::exchange_test
