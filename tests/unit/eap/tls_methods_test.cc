// EAP-TLS, EAP-TTLS and PEAP: our peer against our server, and each against what does not fit.
#include <gmock/gmock.h>

#include "conversation.h"
#include "eap/ttls_avp.h"
#include "tls_world.h"

namespace culvert::eap {
namespace {

using namespace testing;
using ::testing::HasSubstr;

struct TlsMethods : ::testing::Test {
  TlsWorld world;
};

class TlsFlavours
    : public TlsMethods,
      public ::testing::WithParamInterface<std::tuple<Flavour, Version, std::size_t>> {};

TEST_P(TlsFlavours, SucceedsWithTheSameKeysOnBothSides) {
  const auto& [flavour, version, fragment_size] = GetParam();
  world.version = version;
  world.fragment_size = fragment_size;
  Server server = world.server(flavour);
  Peer peer = world.peer(flavour);
  const Ends ends = converse(server, peer);
  ASSERT_TRUE(succeeded(ends)) << (ends.server.refusal ? to_text(*ends.server.refusal) : "")
                               << (ends.peer.refusal ? to_text(*ends.peer.refusal) : "");
  EXPECT_EQ(server.msk().size(), kMskSize);
  EXPECT_TRUE(equal(server.msk(), peer.msk()));
  EXPECT_EQ(server.user(), flavour.type == kTls ? "anonymous" : "alice");
  EXPECT_EQ(server.identity(), "anonymous");
  for (const auto& packets : {ends.from_server, ends.from_peer})
    for (const Bytes& packet : packets) {
      EXPECT_LE(packet.size(), fragment_size + kHeaderSize + 1);
      EXPECT_EQ(as_text(packet).find("correct horse"), std::string_view::npos);
    }
}
INSTANTIATE_TEST_SUITE_P(All, TlsFlavours,
                         ::testing::Combine(::testing::ValuesIn(kFlavours),
                                            ::testing::Values(Version::v1_2, Version::v1_3),
                                            ::testing::Values(std::size_t{150},
                                                              std::size_t{4'000})),
                         [](const auto& row) {
                           return std::string(std::get<0>(row.param).name) +
                                  (std::get<1>(row.param) == Version::v1_2 ? "_1_2_" : "_1_3_") +
                                  std::to_string(std::get<2>(row.param));
                         });

TEST_F(TlsMethods, EmskIsTheOtherHalfOfTheKeys) {
  const auto server = world.server_method(kEapTls);
  const auto peer = world.peer_method(kEapTls);
  EXPECT_TRUE(peer->msk().empty());
  Turn turn = server->begin(0);
  while (turn.next == Turn::Next::go_on && turn.data) {
    Turn answer = peer->receive({.code = Code::request, .type = kTls, .data = *turn.data});
    turn = server->receive({.code = Code::response, .type = kTls, .data = *answer.data});
  }
  ASSERT_EQ(turn.next, Turn::Next::succeeded);
  const auto& ours = static_cast<TlsMethod&>(*server);
  const auto& theirs = static_cast<TlsMethod&>(*peer);
  EXPECT_EQ(ours.emsk().size(), kMskSize);
  EXPECT_TRUE(equal(ours.emsk(), theirs.emsk()));
  EXPECT_FALSE(equal(ours.emsk(), ours.msk()));
}

// ---- passwords and users ----

TEST_F(TlsMethods, WrongPassword) {
  world.password = ClearPassword{SecretBytes(as_bytes("battery staple"))};
  for (const Flavour& flavour : kInTunnel) {
    SCOPED_TRACE(flavour.name);
    Server server = world.server(flavour);
    Peer peer = world.peer(flavour);
    const Ends ends = converse(server, peer);
    EXPECT_EQ(why(ends.server), Failure::wrong_password);
    EXPECT_EQ(why(ends.peer), Failure::refused);
    EXPECT_TRUE(server.msk().empty());
  }
}

TEST_F(TlsMethods, UnknownDisabledAndExpiredUsers) {
  for (const Flavour& flavour : kInTunnel) {
    SCOPED_TRACE(flavour.name);
    const auto outcome = [&] {
      Server server = world.server(flavour);
      Peer peer = world.peer(flavour);
      return why(converse(server, peer).server);
    };
    world.users.clear();
    EXPECT_EQ(outcome(), Failure::no_such_user);
    world.users.add({"alice", clone(world.password), false, std::nullopt, {}});
    EXPECT_EQ(outcome(), Failure::user_disabled);
    world.users.add({"alice", clone(world.password), true, kUserNow, {}});
    EXPECT_EQ(outcome(), Failure::user_expired);
  }
}

TEST_F(TlsMethods, PapTakesHashedPasswordsAndOthersSayThatTheyCannot) {
  world.users.add({"alice",
                   hash_password(*world.provider, as_bytes("correct horse"), 10).value(),
                   true,
                   std::nullopt,
                   {}});
  Server server = world.server(kTtlsPap);
  Peer peer = world.peer(kTtlsPap);
  EXPECT_TRUE(succeeded(converse(server, peer)));
  Server other = world.server(kTtlsMschapv2);
  Peer with = world.peer(kTtlsMschapv2);
  EXPECT_EQ(why(converse(other, with).server), Failure::unusable_secret);
}

TEST_F(TlsMethods, InnerMethodsThatTheServerDoesNotAllow) {
  const auto outcome = [&](const Flavour& flavour, const Flavour& of_peer) {
    Server server = world.server(flavour);
    Peer peer = world.peer(of_peer);
    return why(converse(server, peer).server);
  };
  EXPECT_EQ(outcome(kTtlsPap, kTtlsEapMd5), Failure::no_common_method);
  EXPECT_EQ(outcome(kTtlsEapMd5, kTtlsEapMschapv2), Failure::no_common_method);
  EXPECT_EQ(outcome(kPeapMd5, kPeapMschapv2), Failure::no_common_method);
  const auto closed = [&](bool pap) {
    TlsEnd end{.context = world.context(&world.server_certificate)};
    Server server(*world.provider,
                  {.offers = {{kTtls, [&](const std::string&) {
                                 return make_ttls_server(
                                     end, {.passwords = {*world.provider, world.users, kUserNow},
                                           .pap = pap,
                                           .mschapv2 = !pap});
                               }}}});
    Peer peer = world.peer(pap ? kTtlsMschapv2 : kTtlsPap);
    return why(converse(server, peer).server);
  };
  EXPECT_EQ(closed(true), Failure::no_common_method);
  EXPECT_EQ(closed(false), Failure::no_common_method);
}

// ---- certificates ----

TEST_F(TlsMethods, ServerThatThePeerDoesNotTrust) {
  world.peer_trusts_another = true;
  for (const Version version : {Version::v1_2, Version::v1_3})
    for (const Flavour& flavour : kFlavours) {
      world.version = version;
      Server server = world.server(flavour);
      Peer peer = world.peer(flavour);
      const Ends ends = converse(server, peer);
      EXPECT_EQ(why(ends.peer), Failure::certificate_refused);
      EXPECT_THAT(ends.peer.refusal->detail, HasSubstr("unable to get local issuer certificate"));
      EXPECT_EQ(why(ends.server), Failure::peer_gave_up);
      EXPECT_THAT(ends.server.refusal->detail, HasSubstr("TLS alert 48, unknown_ca"));
    }
}

TEST_F(TlsMethods, PeerThatTheServerDoesNotTrust) {
  for (const Version version : {Version::v1_2, Version::v1_3}) {
    world.version = version;
    const auto run = [&] {
      Server server = world.server(kEapTls);
      Peer peer = world.peer(kEapTls);
      return converse(server, peer);
    };
    world.server_clock = kTestNow + 2 * kTestYear;
    Ends ends = run();
    EXPECT_EQ(why(ends.server), Failure::certificate_refused);
    EXPECT_THAT(ends.server.refusal->detail, HasSubstr("certificate has expired"));
    EXPECT_EQ(why(ends.peer), Failure::refused);
    EXPECT_THAT(ends.peer.refusal->detail, HasSubstr("our certificate has expired"));
    world.server_clock = kTestNow;
    world.server_trusts_another = true;
    ends = run();
    EXPECT_EQ(why(ends.server), Failure::certificate_refused);
    EXPECT_THAT(ends.peer.refusal->detail, HasSubstr("does not trust the CA"));
    world.server_trusts_another = false;
    world.peer_has_certificate = false;
    ends = run();
    EXPECT_EQ(why(ends.server), Failure::certificate_refused);
    EXPECT_THAT(ends.server.refusal->detail, HasSubstr("has to show a certificate"));
    EXPECT_EQ(why(ends.peer), Failure::refused);
    world.peer_has_certificate = true;
  }
}

// ---- packets that do not fit ----

TEST_F(TlsMethods, SuccessBeforeTheServersPromise) {
  Server server = world.server(kEapTls);
  Peer peer = world.peer(kEapTls);
  Step step = server.begin();
  std::size_t before = 0;
  while (step.kind == Step::Kind::send) {
    const Step answer = peer.receive(step.packet);
    ASSERT_EQ(answer.kind, Step::Kind::send);
    step = server.receive(answer.packet);
    ++before;
  }
  ASSERT_EQ(step.kind, Step::Kind::succeeded);
  // A Success in the place of every request but the first.
  for (std::size_t cut = 1; cut < before; ++cut) {
    Server again = world.server(kEapTls);
    Peer deceived = world.peer(kEapTls);
    step = again.begin();
    for (std::size_t i = 0; i < cut; ++i)
      step = again.receive(deceived.receive(step.packet).packet);
    const auto identifier = static_cast<std::uint8_t>(step.packet[1]);
    const Step result = deceived.receive(encode({.code = Code::success, .identifier = identifier}));
    EXPECT_EQ(why(result), Failure::early_success) << cut;
    EXPECT_TRUE(deceived.msk().empty());
  }
}

TEST_F(TlsMethods, AnyChangedPacketEndsInFailureOrNothing) {
  for (const Flavour& flavour : {kEapTls, kTtlsMschapv2, kPeapMschapv2}) {
    for (std::size_t victim = 2; victim < 24; ++victim) {
      Server server = world.server(flavour);
      Peer peer = world.peer(flavour);
      std::size_t number = 0;
      bool changed = false;
      const Ends ends = converse(server, peer, [&](Bytes& packet, bool) {
        // Behind the EAP header and the flags, where there is something.
        if (number++ != victim || packet.size() < 12) return;
        packet.back() ^= 1;
        changed = true;
      });
      EXPECT_FALSE(changed && succeeded(ends)) << flavour.name << victim;
    }
  }
}

TEST_F(TlsMethods, RepeatedPacketsChangeNothing) {
  world.fragment_size = 200;
  for (const Flavour& flavour : kFlavours) {
    Server server = world.server(flavour);
    Peer peer = world.peer(flavour);
    Step to_peer = server.begin();
    Bytes old_response;
    while (to_peer.kind == Step::Kind::send) {
      const Step answer = peer.receive(to_peer.packet);
      ASSERT_EQ(answer.kind, Step::Kind::send) << flavour.name;
      const Step repeated = peer.receive(to_peer.packet);
      EXPECT_EQ(repeated.kind, Step::Kind::discard);
      EXPECT_EQ(repeated.packet, answer.packet);
      if (!old_response.empty()) {
        EXPECT_EQ(server.receive(old_response).kind, Step::Kind::discard);
      }
      old_response = answer.packet;
      to_peer = server.receive(answer.packet);
    }
    EXPECT_EQ(to_peer.kind, Step::Kind::succeeded) << flavour.name;
  }
}

TEST_F(TlsMethods, ConversationsThatDoNotEndAreEnded) {
  // A peer that acknowledges and never goes on.
  for (const Flavour& flavour : kFlavours) {
    Server server = world.server(flavour);
    Step step = server.begin();
    std::size_t rounds = 0;
    std::string_view said = "anonymous";
    Type type = kIdentity;
    while (step.kind == Step::Kind::send && rounds < 1'000) {
      step = server.receive(response(step.packet[1], type, said));
      said = std::string_view("\0", 1);
      type = flavour.type;
      ++rounds;
    }
    EXPECT_EQ(why(step), Failure::protocol_error);
    EXPECT_LT(rounds, 5u);
  }
  // A server that goes on acknowledging.
  Peer peer = world.peer(kEapTls);
  Step step = peer.receive(request(1, kTls, "\x20"));
  std::uint8_t identifier = 1;
  while (step.kind == Step::Kind::send && identifier < 250)
    step = peer.receive(request(++identifier, kTls, std::string_view("\0", 1)));
  EXPECT_LT(identifier, 5u);
  EXPECT_EQ(why(peer.receive(encode({.code = Code::failure, .identifier = identifier}))),
            Failure::protocol_error);
  // Fragments without an end.
  Peer patient = world.peer(kEapTls);
  step = patient.receive(request(1, kTls, "\x20"));
  const std::string fragment = "\x40" + std::string(1'000, 'x');
  for (identifier = 1; step.kind == Step::Kind::send && identifier < 250;)
    step = patient.receive(request(++identifier, kTls, fragment));
  EXPECT_EQ(why(step), Failure::protocol_error);
  EXPECT_THAT(step.refusal->detail, HasSubstr("too large"));
}

TEST_F(TlsMethods, PeerWantsAStartFirstAndOnce) {
  Peer peer = world.peer(kEapTls);
  EXPECT_EQ(peer.receive(request(1, kTls, std::string_view("\0", 1))).kind, Step::Kind::discard);
  EXPECT_EQ(peer.receive(request(2, kTls, "\x40more")).kind, Step::Kind::discard);
  const auto fresh = world.peer_method(kEapTls);
  const Bytes start = TlsFragments::start();
  const Turn hello = fresh->receive({.code = Code::request, .type = kTls, .data = start});
  ASSERT_EQ(hello.next, Turn::Next::go_on);
  EXPECT_EQ(fresh->receive({.code = Code::request, .type = kTls, .data = start}).next,
            Turn::Next::discard);
}

// ---- fragments ----

Result<TlsFragments::Received> take(TlsFragments& fragments, std::string_view type_data) {
  return fragments.take(as_bytes(type_data));
}
using Kind = TlsFragments::Received::Kind;

TEST(TlsFragmentsTest, EveryLengthArrives) {
  for (std::size_t size = 0; size < 60; ++size) {
    Bytes message(size);
    for (std::size_t i = 0; i < size; ++i) message[i] = static_cast<std::uint8_t>(i);
    TlsFragments from(20), to(20);
    from.put(message);
    auto received = to.take(from.next());
    while (received && received->kind == Kind::fragment) {
      ASSERT_TRUE(from.more());
      EXPECT_EQ(from.take(TlsFragments::acknowledgement())->kind, Kind::acknowledgement);
      received = to.take(from.next());
    }
    ASSERT_TRUE(received);
    EXPECT_FALSE(from.more());
    EXPECT_EQ(received->kind, Kind::message);
    EXPECT_EQ(received->message, message);
  }
}

TEST(TlsFragmentsTest, FirstOfSeveralSaysTheLength) {
  TlsFragments from(9);
  from.put(Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9});
  EXPECT_EQ(from.next(), (Bytes{0xc0, 0, 0, 0, 9, 1, 2, 3, 4}));
  EXPECT_EQ(from.next(), (Bytes{0x00, 5, 6, 7, 8, 9}));
}

TEST(TlsFragmentsTest, FlagsMayBeLeftOutOfAnAcknowledgement) {
  TlsFragments fragments(100);
  EXPECT_EQ(take(fragments, "")->kind, Kind::message);
}

TEST(TlsFragmentsTest, LengthsThatDoNotFit) {
  const auto reason = [](std::initializer_list<std::string> parts) -> std::optional<Reason> {
    TlsFragments fragments(100);
    for (const std::string& part : parts)
      if (const auto received = take(fragments, part); !received) return received.error().reason;
    return std::nullopt;
  };
  const std::string five("\0\0\0\5", 4), six("\0\0\0\6", 4), huge("\1\0\0\0", 4);
  EXPECT_EQ(reason({"\xc0" + five + "abc", std::string("\0de", 3)}), std::nullopt);
  EXPECT_EQ(reason({"\xc0" + five + "abc", std::string("\0d", 2)}), Reason::truncated);
  EXPECT_EQ(reason({"\x80" + five + "abcd"}), Reason::truncated);
  EXPECT_EQ(reason({"\xc0" + five + "abc", std::string("\0def", 4)}), Reason::bad_length);
  EXPECT_EQ(reason({"\xc0" + five + "abc", "\x80" + six + "de"}), Reason::bad_length);
  EXPECT_EQ(reason({"\xc0" + huge + "abc"}), Reason::too_large);
  EXPECT_EQ(reason({"\x80\1\2"}), Reason::truncated);
  EXPECT_EQ(reason({"\x40"}), Reason::bad_length);
}

TEST(TlsFragmentsTest, WhileSendingOnlyAcknowledgementsCount) {
  TlsFragments fragments(10);
  fragments.put(Bytes(100));
  fragments.next();
  EXPECT_EQ(take(fragments, std::string_view("\0abc", 4))->kind, Kind::out_of_turn);
  EXPECT_EQ(take(fragments, "\x40")->kind, Kind::out_of_turn);
  EXPECT_EQ(take(fragments, std::string_view("\0", 1))->kind, Kind::acknowledgement);
}

// ---- attributes of EAP-TTLS ----

TEST(TtlsAvps, DecodeWhatWasEncoded) {
  Bytes octets;
  encode_avp(octets, {.code = kUserNameAvp, .data = as_bytes("alice")});
  encode_avp(octets, {.code = kMsChap2SuccessAvp, .mandatory = false, .data = as_bytes("")});
  encode_avp(octets, {.code = kEapMessageAvp, .data = as_bytes("1234")});
  EXPECT_EQ(octets.size() % 4, 0u);
  EXPECT_EQ(ByteView(octets).first(16).back(), 0u) << "padding";
  const auto avps = decode_avps(octets);
  ASSERT_TRUE(avps);
  ASSERT_EQ(avps->size(), 3u);
  EXPECT_EQ(as_text(find(*avps, kUserNameAvp)->data), "alice");
  EXPECT_FALSE(find(*avps, kMsChap2SuccessAvp)->mandatory);
  EXPECT_EQ(as_text(find(*avps, kEapMessageAvp)->data), "1234");
  EXPECT_EQ(find(*avps, kMsChapErrorAvp), nullptr);
}

TEST(TtlsAvps, RefusesWhatDoesNotFit) {
  Bytes octets;
  encode_avp(octets, {.code = kMsChapErrorAvp, .data = as_bytes("12345")});
  for (std::size_t size = 1; size < 17; ++size)
    EXPECT_FALSE(decode_avps(ByteView(octets).first(size))) << size;
  EXPECT_TRUE(decode_avps(ByteView(octets).first(17))) << "the last padding may be missing";
  Bytes short_length = octets;
  short_length[7] = 11;
  EXPECT_EQ(decode_avps(short_length).error().reason, Reason::bad_length);
  Bytes many;
  for (std::size_t i = 0; i <= limits::kMaxAvps; ++i) encode_avp(many, {.code = kUserNameAvp});
  EXPECT_EQ(decode_avps(many).error().reason, Reason::too_large);
}

}  // namespace
}  // namespace culvert::eap
