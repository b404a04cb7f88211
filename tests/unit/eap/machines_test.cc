// The two machines around the methods: identity, choice of a method, order, ends.
#include "conversation.h"
#include "eap/password_methods.h"

namespace culvert::eap {
namespace {

using namespace testing;

// A method that says "more" until it has been asked `rounds` times.
class Talk final : public Method {
 public:
  Talk(Type type, bool server, unsigned rounds) : type_(type), server_(server), left_(rounds) {}
  Type type() const override { return type_; }
  Turn begin(std::uint8_t) override { return Turn::send({'m'}); }
  Turn receive(const Packet& packet) override {
    if (equal(packet.data, as_bytes("junk"))) return Turn::discard();
    if (left_ > 0) --left_;
    if (left_ > 0) return Turn::send({'m'});
    return server_ ? Turn::succeed() : Turn::succeed_with({'e'});
  }

 private:
  Type type_;
  bool server_;
  unsigned left_;
};

class MachinesTest : public ::testing::Test {
 protected:
  static Offer talk(Type type, bool server, unsigned rounds = 1) {
    return {type, [=](const std::string&) { return std::make_unique<Talk>(type, server, rounds); }};
  }
  Server server(std::vector<Type> types, std::optional<std::string> identity = {},
                unsigned rounds = 1) {
    Server::Options options;
    for (const Type type : types) options.offers.push_back(talk(type, true, rounds));
    options.identity = std::move(identity);
    return Server(*provider_, std::move(options));
  }
  static Peer peer(std::vector<Type> types, std::string identity = "alice", unsigned rounds = 1) {
    Peer::Options options;
    for (const Type type : types) options.offers.push_back(talk(type, false, rounds));
    options.identity = std::move(identity);
    return Peer(std::move(options));
  }
  std::unique_ptr<Provider> provider_ = make_openssl_provider();
};

TEST_F(MachinesTest, IdentityThenMethod) {
  Server s = server({kMd5});
  Peer p = peer({kMd5});
  const Ends ends = converse(s, p);
  EXPECT_TRUE(succeeded(ends));
  EXPECT_EQ(s.identity(), "alice");
  EXPECT_EQ(s.user(), "alice");
  EXPECT_EQ(s.method(), kMd5);
  EXPECT_EQ(p.method(), kMd5);
  ASSERT_EQ(ends.from_server.size(), 3u);
  EXPECT_EQ(decode(ends.from_server[0])->type, kIdentity);
  // Each request has an identifier of its own; the success has that of the last response.
  EXPECT_NE(ends.from_server[0][1], ends.from_server[1][1]);
  EXPECT_EQ(ends.from_server[1][1], ends.from_server[2][1]);
}

TEST_F(MachinesTest, AKnownIdentityIsNotAskedFor) {
  Server s = server({kMd5}, "bob");
  Peer p = peer({kMd5});
  EXPECT_TRUE(succeeded(converse(s, p)));
  EXPECT_EQ(s.identity(), "bob");
}

TEST_F(MachinesTest, IdentitiesOfEveryOctet) {
  std::string name;
  for (int octet = 0; octet < 256; ++octet) name += static_cast<char>(octet);
  for (const std::string& identity : {name, std::string(), std::string("\0", 1)}) {
    Server s = server({kMd5});
    Peer p = peer({kMd5}, identity);
    EXPECT_TRUE(succeeded(converse(s, p)));
    EXPECT_EQ(s.identity(), identity);
  }
  Server s = server({kMd5});
  Peer p = peer({kMd5}, std::string(limits::kMaxEapIdentity + 1, 'x'));
  EXPECT_EQ(why(converse(s, p).server), Failure::protocol_error);
  const std::string text = explain({Failure::no_such_user, {}}, kMd5, name);
  for (const char c : text) EXPECT_TRUE((c >= ' ' && c <= '~') || (c & 0x80)) << text;
}

TEST_F(MachinesTest, TheMethodIsAgreedOnByNak) {
  Server s = server({kTls, kMschapv2, kMd5});
  Peer p = peer({kMd5, kMschapv2});
  EXPECT_TRUE(succeeded(converse(s, p)));
  EXPECT_EQ(s.method(), kMschapv2) << "the server's preference decides";
}

TEST_F(MachinesTest, ExpandedTypes) {
  constexpr Type kVendor{311, 77}, kOther{311, 78};
  {  // A legacy Nak says only that expanded types would do.
    Server s = server({kTls, kVendor});
    Peer p = peer({kVendor});
    const Ends ends = converse(s, p);
    EXPECT_TRUE(succeeded(ends));
    EXPECT_EQ(s.method(), kVendor);
    EXPECT_EQ(ends.from_server[2][4], 254);
  }
  {  // An Expanded Nak names them, and legacy ones too.
    Server s = server({kVendor, kOther, kMd5});
    Peer p = peer({kMd5});
    EXPECT_TRUE(succeeded(converse(s, p)));
    EXPECT_EQ(s.method(), kMd5);
  }
  {
    Server s = server({kVendor, kMd5, kOther});
    Peer p = peer({kOther});
    EXPECT_TRUE(succeeded(converse(s, p)));
    EXPECT_EQ(s.method(), kOther);
  }
  {  // RFC 3748, 5.7: a method of vendor 0 may be asked for in the expanded form.
    Peer p = peer({kMd5});
    const Step step = p.receive(encode({Code::request, 1, true, kMd5, {}, {}}));
    ASSERT_EQ(step.kind, Step::Kind::send);
    EXPECT_EQ(step.packet, encode({Code::response, 1, true, kMd5, {}, {}}, Bytes{'e'}));
  }
}

TEST_F(MachinesTest, NoCommonMethod) {
  Server s = server({kTls, kMd5});
  Peer p = peer({kMschapv2});
  const Ends ends = converse(s, p);
  ASSERT_EQ(why(ends.server), Failure::no_common_method);
  EXPECT_EQ(why(ends.peer), Failure::no_common_method);
  EXPECT_EQ(ends.server.refusal->detail, "the peer accepts EAP-MSCHAPv2; here: EAP-TLS, EAP-MD5");
  EXPECT_EQ(ends.peer.refusal->detail, "the server asks for EAP-TLS; here: EAP-MSCHAPv2");
  Server with_nothing = server({});
  EXPECT_EQ(why(with_nothing.begin()), Failure::no_common_method);
  Server to_nobody = server({kTls});
  Peer without = peer({});
  EXPECT_EQ(why(converse(to_nobody, without).server), Failure::no_common_method);
}

TEST_F(MachinesTest, ANakEndsAndDoesNotLoop) {
  Server s = server({kTls, kMd5}, "alice");
  Step step = s.begin();
  // A peer that wants what it has just declined is not offered it again.
  step = s.receive(response(step.packet[1], kNak, "\x04"));
  EXPECT_EQ(step.kind, Step::Kind::send);
  step = s.receive(response(step.packet[1], kNak, "\x04\x0d"));
  EXPECT_EQ(why(step), Failure::no_common_method);
}

TEST_F(MachinesTest, ANakInTheMiddleOfAMethodIsIgnored) {
  Server s = server({kTls, kMd5}, "alice", 3);
  const Step first = s.begin();
  const Step second = s.receive(response(first.packet[1], kTls, "x"));
  ASSERT_EQ(second.kind, Step::Kind::send);
  const Step step = s.receive(response(second.packet[1], kNak, "\x04"));
  EXPECT_EQ(step.kind, Step::Kind::discard);
  EXPECT_EQ(step.packet, second.packet);
  EXPECT_EQ(s.method(), kTls);
}

TEST_F(MachinesTest, ServerIgnoresWhatIsOutOfTurn) {
  Server s = server({kMd5}, std::nullopt, 2);
  EXPECT_EQ(s.receive(response(0, kIdentity, "x")).kind, Step::Kind::discard) << "before begin()";
  const Step identity = s.begin();
  const std::uint8_t id = identity.packet[1];
  const auto ignored = [&](const Bytes& octets) {
    const Step step = s.receive(octets);
    EXPECT_EQ(step.kind, Step::Kind::discard);
    return step.packet;
  };
  EXPECT_EQ(ignored(response(id, kMd5, "x")), identity.packet);
  ignored(response(id, kNak, "\x04"));
  ignored(response(id + 1, kIdentity, "alice"));
  ignored(request(id, kIdentity, "alice"));
  ignored(encode({Code::success, id, false, {}, {}, {}}));
  ignored({});
  ignored({2});
  const Step first = s.receive(response(id, kIdentity, "alice"));
  ASSERT_EQ(first.kind, Step::Kind::send);
  ignored(response(id, kIdentity, "mallory"));  // replayed
  EXPECT_EQ(s.identity(), "alice");
  ignored(response(first.packet[1], kIdentity, "mallory"));
  ignored(response(first.packet[1], kGtc, "x"));
  EXPECT_EQ(ignored(response(first.packet[1], kMd5, "junk")), first.packet);
  const Step second = s.receive(response(first.packet[1], kMd5, "x"));
  ASSERT_EQ(second.kind, Step::Kind::send);
  ignored(response(first.packet[1], kMd5, "x"));  // replayed
  const Step last = s.receive(response(second.packet[1], kMd5, "x"));
  EXPECT_EQ(last.kind, Step::Kind::succeeded);
  EXPECT_EQ(ignored(response(second.packet[1], kMd5, "x")), last.packet);
}

TEST_F(MachinesTest, PeerBelievesASuccessOnlyAfterItsMethod) {
  const Bytes success = encode({Code::success, 1, false, {}, {}, {}});
  {
    Peer p = peer({kMd5});
    EXPECT_EQ(why(p.receive(success)), Failure::early_success) << "before anything";
  }
  {
    Peer p = peer({kMd5});
    p.receive(request(1, kIdentity));
    EXPECT_EQ(why(p.receive(success)), Failure::early_success) << "after the identity";
  }
  {
    Peer p = peer({kMd5}, "alice", 2);
    p.receive(request(1, kMd5));
    EXPECT_EQ(why(p.receive(success)), Failure::early_success) << "in the middle";
    EXPECT_EQ(p.receive(request(2, kMd5)).kind, Step::Kind::discard) << "it is over";
  }
  {
    Peer p = peer({kMd5}, "alice", 2);
    p.receive(request(1, kTls));
    EXPECT_EQ(why(p.receive(success)), Failure::early_success) << "after a Nak";
  }
  for (const std::uint8_t identifier : {std::uint8_t{7}, std::uint8_t{8}}) {
    Peer p = peer({kMd5});
    p.receive(request(7, kMd5));
    EXPECT_EQ(p.receive(encode({Code::success, 9, false, {}, {}, {}})).kind, Step::Kind::discard);
    EXPECT_EQ(p.receive(encode({Code::failure, 6, false, {}, {}, {}})).kind, Step::Kind::discard);
    EXPECT_EQ(p.receive(encode({Code::success, identifier, false, {}, {}, {}})).kind,
              Step::Kind::succeeded);
  }
}

TEST_F(MachinesTest, PeerRepeatsItsAnswerToARepeatedRequest) {
  Peer p = peer({kMd5}, "alice", 3);
  const Bytes question = request(5, kIdentity);
  const Step first = p.receive(question);
  const Step again = p.receive(question);
  EXPECT_EQ(again.kind, Step::Kind::discard);
  EXPECT_EQ(again.packet, first.packet);
  // The same identifier, another request: some servers do that.
  const Step other = p.receive(request(5, kMd5));
  EXPECT_EQ(other.kind, Step::Kind::send);
  EXPECT_NE(other.packet, first.packet);
}

TEST_F(MachinesTest, PeerAnswersNotifications) {
  Peer p = peer({kMd5}, "alice", 2);
  const Step step = p.receive(request(4, kNotification, "your password\nexpires"));
  EXPECT_EQ(step.kind, Step::Kind::send);
  EXPECT_EQ(step.packet, response(4, kNotification));
  EXPECT_EQ(step.notification, "your password\\x0aexpires");
  EXPECT_EQ(p.receive(request(5, kMd5)).kind, Step::Kind::send);
  EXPECT_EQ(p.receive(request(6, kNotification, "x")).kind, Step::Kind::send);
  EXPECT_EQ(p.receive(request(7, kMd5)).kind, Step::Kind::send);
}

TEST_F(MachinesTest, PeerIgnoresWhatIsOutOfTurn) {
  Peer p = peer({kMd5, kGtc}, "alice", 2);
  for (const Bytes& octets : {Bytes{}, Bytes{1, 1, 0}, response(1, kIdentity), request(1, kNak)}) {
    const Step step = p.receive(octets);
    EXPECT_EQ(step.kind, Step::Kind::discard);
    EXPECT_TRUE(step.packet.empty());
  }
  ASSERT_EQ(p.receive(request(2, kMd5)).kind, Step::Kind::send);
  EXPECT_EQ(p.receive(request(3, kGtc)).kind, Step::Kind::discard) << "another method";
  EXPECT_EQ(p.receive(request(3, kTls)).kind, Step::Kind::discard);
  EXPECT_EQ(p.receive(request(3, kIdentity)).kind, Step::Kind::discard);
  EXPECT_EQ(p.receive(request(3, kMd5)).kind, Step::Kind::send);
}

TEST_F(MachinesTest, AMethodThatNeverEnds) {
  Server s = server({kMd5}, "alice", 1'000'000);
  Peer p = peer({kMd5}, "alice", 1'000'000);
  Ends ends = converse(s, p);
  EXPECT_EQ(why(ends.peer), Failure::too_many_rounds);
  Peer patient({{talk(kMd5, false, 1'000'000)}, "alice", 1'000'000});
  Server other = server({kMd5}, "alice", 1'000'000);
  ends = converse(other, patient);
  EXPECT_EQ(why(ends.server), Failure::too_many_rounds);
  EXPECT_LT(ends.packets, 3 * limits::kMaxEapRounds);
  // Packets that are ignored count as well.
  Server flooded = server({kMd5}, "alice");
  flooded.begin();
  Step step;
  for (std::size_t i = 0; i <= limits::kMaxEapRounds; ++i) step = flooded.receive({});
  EXPECT_EQ(why(step), Failure::too_many_rounds);
}

TEST_F(MachinesTest, EveryFailureHasWords) {
  for (int i = 0; i <= static_cast<int>(Failure::internal); ++i) {
    const std::string text = to_text({Failure(i), "because"});
    EXPECT_NE(text.find("(because); "), std::string::npos) << i << text;
  }
  EXPECT_EQ(
      explain({Failure::no_such_user, {}}, kMschapv2, "a\nb"),
      "EAP-MSCHAPv2 of \"a\\x0ab\": there is no such user; add the user, or correct the name");
}

}  // namespace
}  // namespace culvert::eap
