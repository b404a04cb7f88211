// EAP-SIM, EAP-AKA and EAP-AKA': the arithmetic against published vectors, our peer against our
// server, and each against what does not fit.
#include "conversation.h"
#include "eap/fips186_prf.h"
#include "eap/sim_keys.h"
#include "eap/sim_message.h"
#include "eap/sim_methods.h"

namespace culvert::eap {
namespace {

using namespace testing;

const Bytes kK = unhex("465b5ce8b199b49faa5f0a2ee238a6bc");
const Bytes kOpc = unhex("cd63cb71954a9f4e48a5994e37a02baf");
constexpr std::uint64_t kSqn = 0xff9bb4d0b607;

milenage::Keys keys(const Bytes& k = kK) {
  return {InlineSecret<milenage::kKeySize>(k), InlineSecret<milenage::kKeySize>(kOpc)};
}

// A card whose answers are given.
class FixedCard final : public SimCard {
 public:
  std::optional<Gsm> gsm(ByteView) override { return std::nullopt; }
  UmtsResult umts(ByteView, ByteView) override { return answer; }
  UmtsResult answer;
};

class SimTest : public ::testing::Test {
 protected:
  void add(const std::string& identity, std::uint64_t sqn = 0, const Bytes& k = kK) {
    Subscriber subscriber;
    subscriber.identity = identity;
    subscriber.keys = keys(k);
    subscriber.sqn = sqn;
    store_.add(std::move(subscriber));
  }
  Server server(Type type, std::optional<std::string> identity = {}) {
    Server::Options options;
    options.offers.push_back(*offer_sim_server(type, {*provider_, store_, "WLAN", bidding_}));
    options.identity = std::move(identity);
    return Server(*provider_, std::move(options));
  }
  Peer peer(Type type, const std::string& identity) {
    return Peer({{*offer_sim_peer(type, {*provider_, *card_, accepts_prime_})}, identity});
  }
  Ends run(Type type, const std::string& identity,
           const std::function<void(Bytes&, bool)>& tamper = {}) {
    Server s = server(type);
    Peer p = peer(type, identity);
    Ends ends = converse(s, p, tamper);
    user_ = s.user();
    server_msk_ = to_bytes(s.msk());
    peer_msk_ = to_bytes(p.msk());
    return ends;
  }

  std::unique_ptr<Provider> provider_ = make_openssl_provider();
  SubscriberStore store_{*provider_};
  MilenageCard milenage_{*provider_, keys(), 0};
  SimCard* card_ = &milenage_;
  bool bidding_ = false, accepts_prime_ = false;
  std::string user_;
  Bytes server_msk_, peer_msk_;
};

constexpr Type kAll[] = {kSim, kAka, kAkaPrime};

// 3GPP TS 35.208, test set 1.
TEST_F(SimTest, MilenageVectors) {
  const Bytes rand = unhex("23553cbe9637a89d218ae64dae47bf35");
  const auto opc = milenage::opc_of(*provider_, kK, unhex("cdc202d5123e20f62b6d676ac72cb318"));
  ASSERT_TRUE(opc);
  EXPECT_EQ(to_bytes(*opc), kOpc);
  const auto macs = milenage::f1(*provider_, keys(), rand, milenage::sqn_octets(kSqn), 0xb9b9);
  ASSERT_TRUE(macs);
  EXPECT_EQ(to_bytes(macs->a), unhex("4a9ffac354dfafb3"));
  EXPECT_EQ(to_bytes(macs->s), unhex("01cfaf9ec4e871e9"));
  const auto answers = milenage::f2345(*provider_, keys(), rand);
  ASSERT_TRUE(answers);
  EXPECT_EQ(to_bytes(answers->res), unhex("a54211d5e3ba50bf"));
  EXPECT_EQ(to_bytes(answers->ck), unhex("b40ba9a3c58b2a05bbf0d987b21bf8cb"));
  EXPECT_EQ(to_bytes(answers->ik), unhex("f769bcd751044604127672711c6d3441"));
  EXPECT_EQ(to_bytes(answers->ak), unhex("aa689c648370"));
  EXPECT_EQ(to_bytes(answers->ak_star), unhex("451e8beca43b"));
  // 3GPP TS 55.205, 5: the GSM answers to the same.
  EXPECT_EQ(to_bytes(milenage::gsm_of(*answers).sres), unhex("46f8416a"));
  EXPECT_EQ(to_bytes(milenage::gsm_of(*answers).kc), unhex("eae4be823af9a08b"));
  EXPECT_EQ(milenage::sqn_of(milenage::sqn_octets(kSqn)), kSqn);
  EXPECT_FALSE(milenage::f2345(*provider_, keys(), Bytes(15)));
}

// FIPS 186-2's own example (its change notice): the first 40 octets.
TEST_F(SimTest, Fips186Vector) {
  Bytes out(40);
  fips186_prf(unhex("bd029bbe7f51960bcf9edb2b61f06f0feb5a38b6"), out);
  EXPECT_EQ(out, unhex("2070b3223dba372fde1c0ffc7b2e3b498b260614"
                       "3c6c18bacb0f6c55babb13788e20d737a3275116"));
}

// RFC 4186, A: its peer's nonce and triplets, and the Challenge as it is printed there.
struct Rfc4186 {
  const std::string identity = "1244070100000001@eapsim.foo";
  const Bytes nonce = unhex("0123456789abcdeffedcba9876543210");
  const Bytes kcs = unhex("a0a1a2a3a4a5a6a7b0b1b2b3b4b5b6b7c0c1c2c3c4c5c6c7");
  const Bytes sres = unhex("d1d2d3d4e1e2e3e4f1f2f3f4");
  const Bytes challenge = unhex(
      "010201181 20b0000010d0000101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
      "303132333435363738393a3b3c3d3e3f810500009e18b0c29a652263c06efb54dd00a895822d0000"
      "55f2939bbdb1b19ea1b47fc0b3e0be4cab2cf7372d98e3023c6bb92415723d58"
      "bad66ce084e101b60f5358354bd4218278aea7bf2cbace33106aeddc625b0c1d"
      "5aa67a41739ae5b57950973fc7ff8301073c6f953150fc303ea152d1e10a2d1f"
      "4f5226daa1ee9005472252bdb3b71d6f0c3a3490316c46929871bd45cdfdbca6"
      "112f07f8be717990d25f6dd7f2b7b320bf4d5a992e880331d729945aec75ae5d"
      "43c8eda5fe6233fcac494ee67a0d504d0b050000fef324ac3962b59f3bd78253ae4dcb6a");
  const Bytes response = unhex("0202001c120b00000b050000f56d6433e68ed2976ac11937fc3d1154");
};

TEST_F(SimTest, VectorsOfRfc4186) {
  const Rfc4186 v;
  auto derived = sim::sim_keys(*provider_, v.identity, v.kcs, v.nonce, Bytes{0, 1}, 1);
  ASSERT_TRUE(derived);
  EXPECT_EQ(to_bytes(derived->aut.view()), unhex("25af1942efcbf4bc72b3943421f2a974"));
  EXPECT_EQ(to_bytes(derived->msk.view()),
            unhex("39d45aeaf4e30601983e972b6cfd46d1c363773365690d09cd44976b525f47d3"
                  "a60a985e955c53b090b2e4b73719196a402542968fd14a888f46b9a7886e4488"));
  const auto challenge = decode(v.challenge);
  ASSERT_TRUE(challenge);
  const auto message = sim::Message::parse(*challenge);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->value(sim::Attribute::rand)->size(), 3 * kRandSize);
  EXPECT_TRUE(sim::mac_fits(*provider_, derived->mac, derived->aut.view(), *challenge, *message,
                            {v.nonce}));
  EXPECT_FALSE(
      sim::mac_fits(*provider_, derived->mac, derived->aut.view(), *challenge, *message, {}));
  const Packet head{Code::response, 2, false, kSim, {}, {}};
  const auto data =
      sim::Composer(sim::Subtype::challenge)
          .take_with_mac(*provider_, derived->mac, derived->aut.view(), head, {v.sres});
  ASSERT_TRUE(data);
  EXPECT_EQ(encode(head, *data), v.response);
}

// RFC 9048, D, cases 1 and 2.
TEST_F(SimTest, VectorsOfRfc9048) {
  const Bytes ik = unhex("9744871ad32bf9bbd1dd5ce54e3e2e5a");
  const Bytes ck = unhex("5349fbe098649f948f5d2e973a81c00f");
  const Bytes autn = unhex("bb52e91c747ac3ab2a5c23d15ee351d5");
  const std::tuple<std::string_view, std::string_view, std::string_view> rows[] = {
      {"WLAN", "0842ea722ff6835bfa2032499fc3ec23c2f0e388b4f07543ffc677f1696d71ea",
       "67c42d9aa56c1b79e295e3459fc3d187d42be0bf818d3070e362c5e967a4d544"
       "e8ecfe19358ab3039aff03b7c930588c055babee58a02650b067ec4e9347c75a"},
      {"HRPD", "5b4acaef62c6ebb8882b2f3d534c4b35277337a00184f20ff25d224c04be2afd",
       "87b321570117cd6c95ab6c436fb5073ff15cf85505d2bc5bb7355fc21ea8a757"
       "57e8f86a2b138002e05752913bb43b82f868a96117e91a2d95f526677d572900"},
  };
  for (const auto& [network, aut, msk] : rows) {
    const auto derived =
        sim::aka_prime_keys(*provider_, "0555444333222111", ik, ck, autn, as_bytes(network));
    ASSERT_TRUE(derived);
    EXPECT_EQ(to_bytes(derived->aut.view()), unhex(aut));
    EXPECT_EQ(to_bytes(derived->msk.view()), unhex(msk));
  }
}

TEST_F(SimTest, TheRightCard) {
  add("244070100000001");
  for (const Type type : kAll) {
    SCOPED_TRACE(to_string(type));
    EXPECT_TRUE(succeeded(run(type, "1244070100000001@eapsim.foo")));
    EXPECT_EQ(user_, "244070100000001");
    EXPECT_EQ(server_msk_, peer_msk_);
    EXPECT_EQ(server_msk_.size(), kMskSize);
  }
  EXPECT_EQ(store_.sqn("244070100000001"), 2u);
  EXPECT_EQ(milenage_.sqn(), 2u);
}

TEST_F(SimTest, AnotherKey) {
  add("alice", 0, Bytes(16, 7));
  for (const Type type : kAll) {
    const Ends ends = run(type, "alice");
    EXPECT_EQ(why(ends.server), Failure::peer_gave_up) << to_string(type);
    EXPECT_EQ(why(ends.peer), Failure::server_not_trusted) << to_string(type);
  }
}

TEST_F(SimTest, UnknownSubscribers) {
  for (const Type type : kAll) {
    const Ends ends = run(type, "bob");
    EXPECT_EQ(why(ends.server), Failure::no_such_user) << to_string(type);
    EXPECT_EQ(why(ends.peer), Failure::refused);
  }
}

// A peer that hides behind another identity is asked for its own, which then goes into the keys.
TEST_F(SimTest, TheServerAsksForTheIdentity) {
  add("alice");
  for (const Type type : kAll) {
    Server s = server(type, "pseudonym");
    Peer p = peer(type, "alice");
    EXPECT_TRUE(succeeded(converse(s, p))) << to_string(type);
    EXPECT_EQ(s.user(), "alice");
    EXPECT_EQ(to_bytes(s.msk()), to_bytes(p.msk()));
  }
}

TEST_F(SimTest, AkaProtectsTheIdentityRound) {
  add("alice");
  for (const Type type : {kAka, kAkaPrime}) {
    Server s = server(type, "pseudonym");
    Peer p = peer(type, "alice");
    // AT_PERMANENT_ID_REQ becomes AT_ANY_ID_REQ on its way: nothing else would notice.
    const Ends ends = converse(s, p, [](Bytes& packet, bool from_server) {
      if (from_server && packet[5] == 5) packet[8] = 13;
    });
    EXPECT_EQ(why(ends.peer), Failure::server_not_trusted) << to_string(type);
    EXPECT_EQ(why(ends.server), Failure::peer_gave_up);
  }
}

TEST_F(SimTest, TripletsFromAFile) {
  std::vector<Triplet> triplets;
  for (std::uint8_t i = 1; i <= 3; ++i)
    triplets.push_back({Bytes(kRandSize, i), Bytes(kSresSize, i), Bytes(kKcSize, i)});
  TripletCard card(triplets);
  card_ = &card;
  Subscriber subscriber;
  subscriber.identity = "alice";
  subscriber.triplets = triplets;
  subscriber.triplets.push_back({{1}, {2}, {3}});  // malformed ones are left out
  store_.add(std::move(subscriber));
  EXPECT_TRUE(succeeded(run(kSim, "alice")));
  EXPECT_TRUE(succeeded(run(kSim, "alice")));
  EXPECT_EQ(why(run(kAka, "alice").server), Failure::unusable_secret);
  triplets[1].sres[0] ^= 1;
  TripletCard other(triplets);
  card_ = &other;
  EXPECT_EQ(why(run(kSim, "alice").server), Failure::wrong_password);
  triplets.erase(triplets.begin());
  TripletCard poor(triplets);
  card_ = &poor;
  EXPECT_EQ(why(run(kSim, "alice").peer), Failure::no_credential);
}

TEST_F(SimTest, OneTripletIsTooFew) {
  Subscriber subscriber;
  subscriber.identity = "alice";
  subscriber.triplets.push_back({Bytes(kRandSize), Bytes(kSresSize), Bytes(kKcSize)});
  store_.add(std::move(subscriber));
  EXPECT_EQ(why(run(kSim, "alice").server), Failure::unusable_secret);
}

TEST_F(SimTest, SequenceNumbersComeTogetherAgain) {
  for (const Type type : {kAka, kAkaPrime}) {
    const std::string name = type == kAka ? "alice" : "carol";  // numbers never go back
    add(name, 3);
    MilenageCard ahead(*provider_, keys(), 1'000);
    card_ = &ahead;
    Ends ends = run(type, name);
    EXPECT_TRUE(succeeded(ends)) << to_string(type);
    EXPECT_EQ(store_.sqn(name), 1'001u);
    EXPECT_EQ(server_msk_, peer_msk_);
    ends = run(type, name);
    EXPECT_TRUE(succeeded(ends));
    EXPECT_EQ(ends.packets, 5u) << "identity, challenge, success: in step now";
  }
}

TEST_F(SimTest, AForgedAutsChangesNothing) {
  add("alice", 3);
  MilenageCard ahead(*provider_, keys(), 1'000);
  card_ = &ahead;
  const Ends ends = run(kAka, "alice", [](Bytes& packet, bool from_server) {
    if (!from_server && packet[5] == 4) packet.back() ^= 1;
  });
  EXPECT_EQ(why(ends.server), Failure::wrong_password);
  EXPECT_EQ(store_.sqn("alice"), 4u);
}

TEST_F(SimTest, ResynchronisingWithoutEnd) {
  add("alice");
  FixedCard card;
  card.answer = SimCard::Resynchronise{Bytes(kAutsSize)};
  card_ = &card;
  Peer p = peer(kAka, "alice");
  const std::string data = std::string("\x01\0\0\x01\x05\0\0", 7) + std::string(16, 'r') +
                           std::string("\x02\x05\0\0", 4) + std::string(16, 'a') +
                           std::string("\x0b\x05\0\0", 4) + std::string(16, 'm');
  EXPECT_EQ(decode(p.receive(request(1, kAka, data)).packet)->data[0], 4);
  const Step second = p.receive(request(2, kAka, data));
  EXPECT_EQ(decode(second.packet)->data[0], 2) << "authentication reject";
  EXPECT_EQ(why(p.receive(encode({Code::failure, 2, false, {}, {}, {}}))),
            Failure::server_not_trusted);
}

TEST_F(SimTest, ASequenceNumberCountsOnce) {
  add("alice", 0);
  MilenageCard card(*provider_, keys(), 1);
  card_ = &card;
  EXPECT_TRUE(succeeded(run(kAka, "alice")));
  EXPECT_EQ(store_.sqn("alice"), 2u) << "1 was taken for a replay";
}

// The keys alone do not do: RES has to be right as well.
TEST_F(SimTest, WrongRes) {
  class WrongRes final : public SimCard {
   public:
    explicit WrongRes(SimCard& card) : card_(card) {}
    std::optional<Gsm> gsm(ByteView) override { return std::nullopt; }
    UmtsResult umts(ByteView rand, ByteView autn) override {
      UmtsResult result = card_.umts(rand, autn);
      std::get<Umts>(result).res[0] ^= 1;
      return result;
    }

   private:
    SimCard& card_;
  };
  add("alice");
  WrongRes card(milenage_);
  card_ = &card;
  EXPECT_EQ(why(run(kAka, "alice").server), Failure::wrong_password);
}

// RFC 4186, 10.9: a server that asks the same twice would weaken the keys.
TEST_F(SimTest, RepeatedRands) {
  const Triplet triplet{Bytes(kRandSize, 1), Bytes(kSresSize, 2), Bytes(kKcSize, 3)};
  TripletCard card({triplet});
  card_ = &card;
  Subscriber subscriber;
  subscriber.identity = "alice";
  subscriber.triplets.assign(3, triplet);
  store_.add(std::move(subscriber));
  EXPECT_EQ(why(run(kSim, "alice").peer), Failure::server_not_trusted);
}

TEST_F(SimTest, ANotificationAfterTheKeysIsAuthenticated) {
  add("alice");
  for (const Type type : kAll) {
    Server s = server(type, "alice");
    Peer p = peer(type, "alice");
    Step step = s.begin();
    while (step.kind == Step::Kind::send) step = s.receive(p.receive(step.packet).packet);
    ASSERT_EQ(step.kind, Step::Kind::succeeded);
    const auto identifier = static_cast<std::uint8_t>(step.packet[1] + 1);
    const Step answer =
        p.receive(request(identifier, type, std::string_view("\x0c\0\0\x0c\x01\x80\0", 7)));
    EXPECT_EQ(decode(answer.packet)->data[0], 14) << "client error";
    EXPECT_EQ(p.receive(encode({Code::success, identifier, false, {}, {}, {}})).kind,
              Step::Kind::failed);
  }
}

// RFC 9048, 4: a server that could do AKA' says so in AKA, and a peer that could as well stops.
TEST_F(SimTest, BiddingDown) {
  add("alice");
  bidding_ = true;
  EXPECT_TRUE(succeeded(run(kAka, "alice")));
  accepts_prime_ = true;
  EXPECT_EQ(why(run(kAka, "alice").peer), Failure::server_not_trusted);
  bidding_ = false;
  EXPECT_TRUE(succeeded(run(kAka, "alice")));
}

// RFC 9048, 3.3: vectors for AKA do not do for AKA'.
TEST_F(SimTest, AkaPrimeWantsTheSeparationBit) {
  const auto tampered = [this](auto change) {
    add("alice");
    MilenageCard fresh(*provider_, keys(), 0);
    card_ = &fresh;
    return run(kAkaPrime, "alice", change);
  };
  // In the request: RAND is at 8, AUTN at 28 (AMF at 38), AT_KDF at 48, AT_KDF_INPUT at 52.
  for (const std::size_t at : {std::size_t{38}, std::size_t{51}, std::size_t{55}}) {
    const Ends ends = tampered([at](Bytes& packet, bool from_server) {
      if (from_server && packet.size() > 60 && packet[5] == 1) packet[at] = 0;
    });
    EXPECT_EQ(why(ends.peer), Failure::server_not_trusted) << at;
    EXPECT_EQ(why(ends.server), Failure::peer_gave_up) << at;
  }
}

// The card may not look at the bit: the method does, before it asks the card.
TEST_F(SimTest, AkaPrimeLooksAtTheSeparationBitItself) {
  const auto card = std::make_unique<FixedCard>();
  card->answer = SimCard::Umts{Bytes(8), Bytes(16), Bytes(16)};
  card_ = card.get();
  for (const std::uint8_t amf : {0x00, 0x80}) {
    Bytes autn(kAutnSize);
    autn[6] = amf;
    sim::Composer composer(sim::Subtype::aka_challenge);
    composer.value(sim::Attribute::rand, Bytes(kRandSize));
    composer.value(sim::Attribute::autn, autn);
    composer.number(sim::Attribute::kdf, 1);
    composer.sized(sim::Attribute::kdf_input, as_bytes("WLAN"));
    composer.value(sim::Attribute::mac, Bytes(sim::kMacSize));
    Peer p = peer(kAkaPrime, "alice");
    const Step step = p.receive(request(1, kAkaPrime, as_text(composer.take())));
    const int expected = amf == 0 ? 2 : 14;  // authentication reject; client error: AT_MAC
    EXPECT_EQ(decode(step.packet)->data[0], expected);
  }
}

TEST_F(SimTest, AkaPrimePeerAsksForTheKeyDerivationThatItHas) {
  add("alice");
  const auto challenge = [](std::initializer_list<std::uint16_t> kdfs) {
    sim::Composer composer(sim::Subtype::aka_challenge);
    composer.value(sim::Attribute::rand, Bytes(16, 1));
    Bytes autn(16, 2);
    autn[6] = 0x80;
    composer.value(sim::Attribute::autn, autn);
    for (const std::uint16_t kdf : kdfs) composer.number(sim::Attribute::kdf, kdf);
    composer.sized(sim::Attribute::kdf_input, as_bytes("WLAN"));
    composer.value(sim::Attribute::mac, Bytes(16));
    return composer.take();
  };
  const auto subtype = [](const Step& step) { return int{decode(step.packet)->data[0]}; };
  {
    Peer p = peer(kAkaPrime, "alice");
    const Step step = p.receive(request(1, kAkaPrime, as_text(challenge({2, 1}))));
    EXPECT_EQ(step.packet, response(1, kAkaPrime, std::string_view("\x01\0\0\x18\x01\0\x01", 7)));
    // The choice first, then the list: only now does the card see AUTN, and rejects it.
    EXPECT_EQ(subtype(p.receive(request(2, kAkaPrime, as_text(challenge({1, 2, 1}))))), 2);
  }
  for (const auto& kdfs : {std::initializer_list<std::uint16_t>{2, 3}, {}, {2, 2, 1}, {1, 1}}) {
    Peer p = peer(kAkaPrime, "alice");
    EXPECT_EQ(subtype(p.receive(request(1, kAkaPrime, as_text(challenge(kdfs))))), 2);
  }
}

TEST_F(SimTest, Notifications) {
  add("alice");
  const std::string failure("\x0c\0\0\x0c\x01\x40\0", 7);
  for (const Type type : kAll) {
    Peer p = peer(type, "alice");
    const Step step = p.receive(request(1, type, failure));
    ASSERT_EQ(step.kind, Step::Kind::send);
    EXPECT_EQ(step.packet, response(1, type, std::string_view("\x0c\0\0", 3)));
    const Step end = p.receive(encode({Code::failure, 1, false, {}, {}, {}}));
    EXPECT_EQ(why(end), Failure::refused);
    EXPECT_EQ(end.refusal->detail, "notification 16384: general failure");
    // Success, or one that ought to be authenticated, has no place before the keys.
    for (const char high : {'\x80', '\xc0', '\x00'}) {
      Peer other = peer(type, "alice");
      other.receive(request(1, type, std::string("\x0c\0\0\x0c\x01", 5) + high + '\0'));
      EXPECT_EQ(why(other.receive(encode({Code::failure, 1, false, {}, {}, {}}))),
                Failure::protocol_error);
    }
  }
}

// One octet of any packet is another one: nobody gets in but where it is of no consequence.
TEST_F(SimTest, ChangedPackets) {
  for (const Type type : kAll) {
    add("alice");
    MilenageCard card(*provider_, keys(), 0);
    card_ = &card;
    const std::size_t rounds = run(type, "alice").packets;
    for (std::size_t at = 2; at + 1 < rounds; ++at) {
      for (std::size_t octet = 5; octet < 140; ++octet) {
        std::size_t count = 0;
        bool changed = false;
        const Ends ends = run(type, "alice", [&](Bytes& packet, bool) {
          if (count++ != at || octet >= packet.size()) return;
          packet[octet] ^= 0x5a;
          changed = true;
        });
        EXPECT_LE(ends.packets, rounds + 2);
        // Start has no AT_MAC: what does not go into the keys of it may change.
        const bool start = type == kSim && at < 4;
        if (changed && !start) {
          EXPECT_FALSE(succeeded(ends)) << to_string(type) << at << " " << octet;
        }
        if (changed && start && succeeded(ends)) {
          EXPECT_EQ(server_msk_, peer_msk_);
        }
      }
    }
  }
}

TEST_F(SimTest, CutPackets) {
  for (const Type type : kAll) {
    add("alice");
    MilenageCard card(*provider_, keys(), 0);
    card_ = &card;
    const std::size_t rounds = run(type, "alice").packets;
    for (std::size_t at = 2; at + 1 < rounds; ++at) {
      for (std::size_t size = 4; size < 140; ++size) {
        std::size_t count = 0;
        bool cut = false;
        const Ends ends = run(type, "alice", [&](Bytes& packet, bool) {
          if (count++ != at || size >= packet.size()) return;
          packet.resize(size);
          store_be(packet.data() + 2, static_cast<std::uint16_t>(size));
          cut = true;
        });
        EXPECT_EQ(cut && succeeded(ends), false) << to_string(type) << at << " " << size;
      }
    }
  }
}

TEST_F(SimTest, Attributes) {
  const auto parse = [](std::string_view data) {
    const Bytes octets = request(1, kSim, data);
    const auto packet = decode(octets);
    return sim::Message::parse(*packet).has_value();
  };
  EXPECT_TRUE(parse(std::string_view("\x0a\0\0", 3)));
  EXPECT_FALSE(parse(""));
  EXPECT_FALSE(parse(std::string_view("\x0a\0", 2)));
  EXPECT_FALSE(parse(std::string_view("\x0a\0\0\x0a\0\0\0", 7))) << "no length";
  EXPECT_FALSE(parse(std::string_view("\x0a\0\0\x0a\x02\0\0", 7))) << "too long";
  EXPECT_FALSE(parse(std::string_view("\x0a\0\0\x0a\x01\0\0\x0a\x01\0\0", 11))) << "twice";
  EXPECT_FALSE(parse(std::string_view("\x0a\0\0\x7f\x01\0\0", 7))) << "may not be skipped";
  EXPECT_TRUE(parse(std::string_view("\x0a\0\0\xff\x01\0\0", 7))) << "may be skipped";
}

}  // namespace
}  // namespace culvert::eap
