// Every event type renders completely, under a name of its own, and counts in a place of its own.
#include "trace/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace culvert::trace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::Pair;

// One default-made event of every type, in the order of the variant.
std::vector<Event> every_event() {
  std::vector<Event> events;
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (events.push_back({{}, std::variant_alternative_t<I, Body>{}}), ...);
  }(std::make_index_sequence<std::variant_size_v<Body>>{});
  return events;
}

TEST(Events, SentencesNameOnlyTheirOwnFields) {
  for (const Event& event : every_event()) {
    const Info& info = info_of(event);
    std::string_view text = info.text;
    for (auto open = text.find('{'); open != text.npos; open = text.find('{')) {
      text.remove_prefix(open + 1);
      const std::string name(text.substr(0, text.find('}')));
      EXPECT_THAT(fields_of(event), ::testing::Contains(Pair(name, ::testing::_))) << info.name;
    }
  }
}

TEST(Events, SentencesHaveNoBracesLeft) {
  for (const Event& event : every_event())
    EXPECT_THAT(sentence_of(event), Not(MatchesRegex(".*[{}].*"))) << info_of(event).name;
}

TEST(Events, EveryFieldIsToldInTheSentence) {
  for (const Event& event : every_event())
    for (const auto& [name, value] : fields_of(event))
      EXPECT_THAT(info_of(event).text, HasSubstr("{" + name + "}")) << info_of(event).name;
}

TEST(Events, NamesAreDistinctAndFitForMetrics) {
  std::set<std::string_view> names;
  for (const Event& event : every_event()) {
    const auto name = info_of(event).name;
    EXPECT_THAT(std::string(name), MatchesRegex("[a-z][a-z0-9]*(_[a-z0-9]+)*"));
    EXPECT_TRUE(names.insert(name).second) << name;
  }
}

TEST(Events, FailuresAreErrors) {
  for (const Event& event : every_event()) {
    const Info& info = info_of(event);
    EXPECT_TRUE(!info.explains_failure || info.level == Level::error) << info.name;
  }
}

TEST(Counters, CountEachTypeUnderItsName) {
  Counters counters;
  const auto events = every_event();
  for (std::size_t i = 0; i < events.size(); ++i)
    for (std::size_t times = 0; times <= i; ++times) counters.count(events[i]);
  std::size_t at = 0;
  counters.for_each([&](std::string_view name, std::uint64_t count) {
    ASSERT_LT(at, events.size());
    EXPECT_EQ(name, info_of(events[at]).name);
    EXPECT_EQ(count, at + 1) << name;
    ++at;
  });
  EXPECT_EQ(at, events.size());
}

TEST(Text, PutsTheSubjectBeforeTheSentence) {
  Event event{{.connection = "branch", .ike_unique_id = 7},
              IkeEstablished{"a.example.org", "b.example.org", "aes128gcm16-prfsha256-x25519"}};
  EXPECT_EQ(text_of(event),
            "branch[7]: established between a.example.org and b.example.org, "
            "aes128gcm16-prfsha256-x25519");
  event.subject = {
      .connection = "branch", .child = "lan", .ike_unique_id = 7, .child_unique_id = 9};
  EXPECT_THAT(text_of(event), ::testing::StartsWith("branch[7] lan{9}: established"));
  event.subject = {.connection = "branch", .child = "lan"};
  EXPECT_THAT(text_of(event), ::testing::StartsWith("branch lan: established"));
  event.subject = {};
  EXPECT_EQ(text_of(event), sentence_of(event));
}

TEST(Text, ReplacesFieldsOfEveryKind) {
  const Endpoint peer{IpAddress::v4(0xc0000201), 500};
  EXPECT_EQ(sentence_of({{}, MessageDropped{peer, Reason::bad_length, 24, "SA payload"}}),
            "dropped a message from 192.0.2.1:500: bad length at octet 24 (SA payload)");
  EXPECT_EQ(sentence_of({{}, NatDetected{true, false}}), "NAT: local side yes, remote side no");
  EXPECT_EQ(
      sentence_of({{}, NoCommonProposal{"IKE", TransformType::ke, "x25519", "modp2048", "ike"}}),
      "no common IKE proposal: of key exchange, the peer offers x25519; accepted here: "
      "modp2048. Add one to `ike` on either side");
  EXPECT_EQ(sentence_of({{}, BadPublicValue{Ke::ecp256}}),
            "the peer's public value for ECP256 fails its check (RFC 6989)");
}

TEST(Text, ReplacesAFieldWhoseValueLooksLikeAField) {
  EXPECT_EQ(sentence_of({{}, UnexpectedIdentity{"{expected}", "b"}}),
            "the peer says it is {expected}, the configuration wants b. "
            "Set `remote_id` to what the peer uses, or correct the peer");
}

TEST(Text, PrintsUnknownNumbersAsNumbers) {
  const auto sentence = sentence_of({{},
                                     PeerRefused{static_cast<wire::ExchangeType>(250),
                                                 static_cast<wire::NotifyType>(8192), "no idea"}});
  EXPECT_EQ(sentence, "the peer refused 250 with 8192: no idea");
  EXPECT_THAT(sentence_of({{}, BadPublicValue{static_cast<Ke>(4711)}}),
              HasSubstr("for 4711 fails"));
}

TEST(Fields, StandInTheOrderOfTheirDeclaration) {
  const Event event{{}, Retransmitted{2, wire::ExchangeType::ike_auth, 1}};
  EXPECT_THAT(fields_of(event), ElementsAre(Pair("attempt", "2"), Pair("exchange", "IKE_AUTH"),
                                            Pair("message_id", "1")));
}

MessageSummary summary(wire::ExchangeType exchange, bool response, std::uint32_t id,
                       std::uint32_t size) {
  MessageSummary message;
  message.exchange = exchange;
  message.response = response;
  message.message_id = id;
  message.size = size;
  return message;
}

TEST(Ladder, ShowsAMessageInOneLine) {
  auto message = summary(wire::ExchangeType::ike_sa_init, false, 0, 240);
  message.add(33);
  message.add(34, 31);
  message.add(40);
  message.add(41, 16388);
  EXPECT_EQ(text_of(message),
            "IKE_SA_INIT request 0: SA KE(X25519) No N(NAT_DETECTION_SOURCE_IP), 240 octets");
}

TEST(Ladder, BracesWhatIsEncrypted) {
  auto message = summary(wire::ExchangeType::ike_auth, true, 1, 224);
  message.encrypted = true;
  for (const std::uint8_t type : {36, 39, 33, 44, 45}) message.add(type);
  EXPECT_EQ(text_of(message), "IKE_AUTH response 1: SK{IDr AUTH SA TSi TSr}, 224 octets");
  auto empty = summary(wire::ExchangeType::informational, false, 2, 80);
  empty.encrypted = true;
  EXPECT_EQ(text_of(empty), "INFORMATIONAL request 2: SK{}, 80 octets");
}

TEST(Ladder, PrintsUnknownNumbersAsNumbers) {
  auto message = summary(static_cast<wire::ExchangeType>(200), false, 3, 60);
  message.add(201);
  message.add(41, 40960);
  message.add(34, 1030);
  EXPECT_EQ(text_of(message), "200 request 3: 201 N(40960) KE(1030), 60 octets");
}

TEST(Ladder, SaysWhenThereMayBeMore) {
  auto message = summary(wire::ExchangeType::ike_sa_init, false, 0, 900);
  for (std::size_t i = 0; i < MessageSummary::kMaxItems + 5; ++i) message.add(43);
  EXPECT_THAT(text_of(message), HasSubstr(" V V …, 900 octets"));
}

TEST(Names, OfReasonsLevelsAndGroups) {
  EXPECT_EQ(name_of(Reason::truncated), "truncated");
  EXPECT_EQ(name_of(Reason::bad_integrity), "bad integrity");
  EXPECT_EQ(name_of(Reason::system), "system error");
  EXPECT_EQ(name_of(Level::warning), "warning");
  EXPECT_EQ(name_of(Group::chd), "CHD");
  EXPECT_EQ(name_of(Group::knl), "KNL");
  EXPECT_EQ(name_of(static_cast<Reason>(200)), "unknown");
}

}  // namespace
}  // namespace culvert::trace
