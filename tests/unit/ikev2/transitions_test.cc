// Walks the whole table: what it says, and what happens to messages that it does not have.
#include "ikev2/transitions.h"

#include <gtest/gtest.h>

#include <set>

#include "ikev2/authentication.h"
#include "ikev2/dispatch.h"
#include "tests/unit/ikev2/fake_host.h"

namespace culvert::ikev2 {
namespace {

using wire::ExchangeType;
using wire::PayloadType;

constexpr ExchangeType kExchanges[] = {ExchangeType::ike_sa_init,      ExchangeType::ike_auth,
                                       ExchangeType::create_child_sa,  ExchangeType::informational,
                                       ExchangeType::ike_intermediate, ExchangeType{99}};
constexpr StateTag kStates[] = {StateTag::init_sent, StateTag::half_open, StateTag::auth_sent,
                                StateTag::established};
constexpr std::uint64_t kSpiI = 0x1111, kSpiR = 0x2222;
const TimePoint kNow{std::chrono::seconds(100)};

wire::Payload sample(PayloadType type) {
  switch (type) {
    case PayloadType::sa:
      return {type,
              wire::Sa{
                  {{1, wire::ProtocolId::esp, Bytes(4, 7), {{TransformType::encr, 20, 128, {}}}}}}};
    case PayloadType::ke:
      return {type, wire::KeyExchangePayload{31, Bytes(32, 1)}};
    case PayloadType::nonce:
      return {type, wire::Nonce{Bytes(32, 2)}};
    case PayloadType::id_i:
    case PayloadType::id_r:
      return {type, wire::Identification{wire::IdType::fqdn, Bytes(3, 'a'), {}}};
    case PayloadType::auth:
      return {type, wire::Auth{wire::AuthMethod::shared_key, Bytes(32, 3)}};
    case PayloadType::ts_i:
    case PayloadType::ts_r:
      return {type, to_wire({*resolve({*parse_selector("10.0.0.0/8")}, IpAddress()).begin()})};
    default:
      return {type, wire::Unknown{Bytes(4, 1)}};
  }
}

Key key(std::size_t size, std::uint8_t fill) { return Key(Bytes(size, fill)); }

// An SA of ours in a state, with keys that the test has too.
IkeSa make_sa(FakeHost& host, StateTag state) {
  IkeSa sa;
  auto connection = std::make_shared<ConnectionConfig>();
  connection->name = "test";
  connection->proposals = {*parse_proposal("aes128gcm16-prfsha256-x25519", wire::ProtocolId::ike)};
  sa.connection = connection;
  const bool initiator = state == StateTag::init_sent || state == StateTag::auth_sent;
  sa.role = initiator ? Role::initiator : Role::responder;
  sa.spi_i = kSpiI;
  sa.spi_r = kSpiR;
  sa.local = {IpAddress::v4(0x7f000001), 500};
  sa.remote = {IpAddress::v4(0x7f000002), 500};
  sa.suite.cipher = {Encr::aes_gcm_16, 128, Integ::none};
  sa.suite.prf = Prf::hmac_sha2_256;
  IkeKeys keys;
  keys.sk_d = key(32, 1), keys.sk_ei = key(20, 2), keys.sk_er = key(20, 3);
  sa.keys = IkeSaKeys(keys);
  sa.expected_request_id = 1;
  switch (state) {
    case StateTag::init_sent: {
      InitSent init;
      init.ke = std::move(*host.provider().generate(Ke::x25519));
      init.nonce = Bytes(32, 9);
      sa.keys = {};
      sa.state = std::move(init);
      break;
    }
    case StateTag::half_open:
      sa.state = HalfOpen{};
      break;
    case StateTag::auth_sent:
      sa.state = AuthSent{std::make_unique<AuthExchange>()};
      break;
    default: {
      // The only way to a proof is a verified AUTH.
      const Key sk_pi = key(32, 4), sk_pr = key(32, 5);
      AuthMaterial material{SecretPack<2>({sk_pi.view(), sk_pr.view()}), Bytes(32, 6), Bytes(32, 7),
                            Bytes(9, 8), Bytes(9, 9)};
      SharedSecret secret;
      secret.id = "x";
      secret.secret = SecretBytes(as_bytes("secret"));
      host.secrets_.add(std::move(secret));
      sa.local_id = *parse_identity("a.example"), sa.remote_id = *parse_identity("b.example");
      const auto id = to_wire(sa.remote_id);
      IkeSa peer;
      peer.role = Role::initiator;
      peer.suite = sa.suite;
      AuthExchange exchange;
      exchange.material = std::move(material);
      const auto auth = Authentication::sign(host, peer, exchange.material, id);
      EXPECT_TRUE(auth);
      auto proof = Authentication::verify(host, sa, exchange, id, *auth, {{}, {}, {}, kNow});
      EXPECT_TRUE(proof);
      sa.state = Established{**proof, {}, {}};
      sa.established = kNow;
    }
  }
  return sa;
}

// A protected message from the peer of `sa`.
Bytes from_peer(FakeHost& host, const IkeSa& sa, ExchangeType exchange, bool response,
                std::uint32_t id, const std::vector<wire::Payload>& payloads) {
  wire::Header header;
  header.spi_i = kSpiI;
  header.spi_r = kSpiR;
  header.exchange = exchange;
  header.initiator = !sa.is_initiator();
  header.response = response;
  header.message_id = id;
  return *wire::seal_message(host.provider(), inbound_keys(sa), header, payloads, id);
}

void deliver(FakeHost& host, IkeSa& sa, const Bytes& message) {
  const auto header = wire::decode_header(message);
  ASSERT_TRUE(header);
  receive(host, sa, *header, {sa.local, sa.remote, message}, kNow);
}

TEST(Transitions, RowsAreUniqueAndTold) {
  std::set<std::tuple<StateTag, ExchangeType, bool>> seen;
  for (const Transition& row : transitions()) {
    EXPECT_TRUE(seen.insert({row.state, row.exchange, row.response}).second) << row.story;
    EXPECT_NE(row.handler, nullptr);
    EXPECT_FALSE(row.story.empty());
    EXPECT_FALSE(row.section.empty());
    EXPECT_EQ(find_transition(row.state, row.exchange, row.response), &row);
  }
  EXPECT_EQ(find_transition(StateTag::closed, ExchangeType::informational, false), nullptr);
}

TEST(Transitions, EachRuleIsEnforced) {
  for (const Transition& row : transitions()) {
    std::vector<wire::Payload> full;
    for (const PayloadRule& rule : row.rules)
      if (rule.least > 0) full.push_back(sample(rule.type));
    EXPECT_TRUE(check_payloads(row, full)) << row.story;
    for (const PayloadRule& rule : row.rules) {
      auto without = full;
      std::erase_if(without, [&](const wire::Payload& p) { return p.type == rule.type; });
      EXPECT_EQ(check_payloads(row, without).has_value(), rule.least == 0) << row.story;
      auto twice = full;
      twice.push_back(sample(rule.type));
      twice.push_back(sample(rule.type));
      EXPECT_EQ(check_payloads(row, twice).has_value(), rule.most > 2) << row.story;
    }
  }
}

TEST(Transitions, AnErrorAnswersForMissingPayloadsOnlyInResponses) {
  const std::vector<wire::Payload> refusal{make_notify(wire::NotifyType::no_proposal_chosen)};
  for (const Transition& row : transitions()) {
    const bool needs_any =
        std::ranges::any_of(row.rules, [](const PayloadRule& rule) { return rule.least > 0; });
    EXPECT_EQ(check_payloads(row, refusal).has_value(), row.response || !needs_any) << row.story;
  }
}

// Everything that the table does not have: a request is refused with INVALID_SYNTAX and the SA goes
// (RFC 7296, 2.21.3); a response is dropped, and so is a request that overtakes the answer to our
// IKE_AUTH, which will come again.
TEST(Transitions, ForbiddenProtectedMessagesEndInTheRfcsAnswer) {
  for (const StateTag state : kStates)
    for (const ExchangeType exchange : kExchanges)
      for (const bool response : {false, true}) {
        if (find_transition(state, exchange, response) || exchange == ExchangeType::ike_sa_init ||
            state == StateTag::init_sent)
          continue;
        FakeHost host;
        IkeSa sa = make_sa(host, state);
        if (response) {
          send_request(host, sa, exchange, {}, kNow);
          host.transmitted.clear();
        }
        const std::uint32_t expected_before = sa.expected_request_id;
        deliver(host, sa, from_peer(host, sa, exchange, response, response ? 0 : 1, {}));
        const auto label =
            static_cast<int>(state) * 1'000 + static_cast<int>(exchange) * 2 + response;
        if (response || state == StateTag::auth_sent) {
          EXPECT_FALSE(sa.closed()) << label;
          EXPECT_TRUE(host.transmitted.empty()) << label;
          EXPECT_EQ(sa.expected_request_id, expected_before) << label;
          continue;
        }
        EXPECT_TRUE(sa.closed()) << label;
        ASSERT_EQ(host.transmitted.size(), 1u) << label;
        EXPECT_TRUE(std::holds_alternative<trace::MalformedMessage>(host.events.back().body))
            << label;
      }
}

TEST(Window, OnlyTheNextRequestIsAnsweredAndTheLastRepeated) {
  FakeHost host;
  IkeSa sa = make_sa(host, StateTag::established);
  for (const std::uint32_t outside : {0u, 2u, 3u, 0xffffffffu}) {
    if (outside == 0) continue;  // the one before the first: nothing cached, covered below
    deliver(host, sa, from_peer(host, sa, ExchangeType::informational, false, outside, {}));
    EXPECT_TRUE(host.transmitted.empty()) << outside;
  }
  const Bytes request = from_peer(host, sa, ExchangeType::informational, false, 1, {});
  deliver(host, sa, request);
  ASSERT_EQ(host.transmitted.size(), 1u);
  deliver(host, sa, request);
  ASSERT_EQ(host.transmitted.size(), 2u);
  EXPECT_EQ(host.transmitted[0].payload, host.transmitted[1].payload);
  EXPECT_EQ(sa.expected_request_id, 2u);
}

TEST(Window, ARepetitionWithABadTagIsNotAnswered) {
  FakeHost host;
  IkeSa sa = make_sa(host, StateTag::established);
  Bytes request = from_peer(host, sa, ExchangeType::informational, false, 1, {});
  deliver(host, sa, request);
  request.back() ^= 1;
  deliver(host, sa, request);
  EXPECT_EQ(host.transmitted.size(), 1u);
}

TEST(Critical, UnknownPayloadIsNamedAndTheSaLivesOn) {
  FakeHost host;
  IkeSa sa = make_sa(host, StateTag::established);
  wire::Payload strange{PayloadType{200}, wire::Unknown{Bytes(5, 1)}};
  strange.critical = true;
  deliver(host, sa, from_peer(host, sa, ExchangeType::informational, false, 1, {strange}));
  ASSERT_EQ(host.transmitted.size(), 1u);
  EXPECT_FALSE(sa.closed());
  const auto answer =
      wire::open_message(host.provider(), outbound_keys(sa), host.transmitted[0].payload);
  ASSERT_TRUE(answer);
  const auto* notify = wire::find_notify(*answer, wire::NotifyType::unsupported_critical_payload);
  ASSERT_TRUE(notify);
  EXPECT_EQ(notify->data, Bytes{200});
}

TEST(Critical, UnknownPayloadWithoutTheBitIsSkipped) {
  FakeHost host;
  IkeSa sa = make_sa(host, StateTag::established);
  const wire::Payload strange{PayloadType{200}, wire::Unknown{Bytes(5, 1)}};
  deliver(host, sa, from_peer(host, sa, ExchangeType::informational, false, 1, {strange}));
  const auto answer =
      wire::open_message(host.provider(), outbound_keys(sa), host.transmitted.at(0).payload);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->empty());
}

TEST(Delete, OfUnknownSpisIsAnsweredEmpty) {
  FakeHost host;
  IkeSa sa = make_sa(host, StateTag::established);
  const std::uint32_t spis[] = {1, 2, 3};
  deliver(
      host, sa,
      from_peer(host, sa, ExchangeType::informational, false, 1,
                {{PayloadType::delete_, wire::Delete::child_sas(wire::ProtocolId::esp, spis)}}));
  const auto answer =
      wire::open_message(host.provider(), outbound_keys(sa), host.transmitted.at(0).payload);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->empty());
  EXPECT_TRUE(host.operations.empty());
}

}  // namespace
}  // namespace culvert::ikev2
