// MD5, GTC and MSCHAPv2: our peer against our server, and each against what does not fit.
#include "eap/password_methods.h"

#include "conversation.h"
#include "eap/mschapv2.h"

namespace culvert::eap {
namespace {

using namespace testing;
using namespace std::chrono_literals;

constexpr std::chrono::sys_seconds kNow{1'700'000'000s};
constexpr Type kAll[] = {kMd5, kGtc, kMschapv2};

class PasswordMethodsTest : public ::testing::Test {
 protected:
  User& add(std::string name, std::string_view password) {
    users_.add({name, std::move(*parse_password(password)), true, std::nullopt, {}});
    return const_cast<User&>(*users_.find(name));
  }
  Server server(Type type) {
    Server::Options options;
    options.offers.push_back(*offer_password_server(type, {*provider_, users_, kNow}));
    return Server(*provider_, std::move(options));
  }
  Peer peer(Type type, const std::string& name, std::string_view password) {
    password_ = std::move(*parse_password(password));
    return Peer({{*offer_password_peer(type, *provider_, name, password_)}, name});
  }
  Ends run(Type type, const std::string& name, std::string_view password) {
    Server s = server(type);
    Peer p = peer(type, name, password);
    Ends ends = converse(s, p);
    user_ = s.user();
    server_msk_ = to_bytes(s.msk());
    peer_msk_ = to_bytes(p.msk());
    return ends;
  }

  std::unique_ptr<Provider> provider_ = make_openssl_provider();
  UserStore users_;
  Password password_;
  std::string user_;
  Bytes server_msk_, peer_msk_;
};

TEST_F(PasswordMethodsTest, TheRightPassword) {
  add("alice", "clear:correct horse");
  for (const Type type : kAll) {
    SCOPED_TRACE(to_string(type));
    EXPECT_TRUE(succeeded(run(type, "alice", "clear:correct horse")));
    EXPECT_EQ(user_, "alice");
    EXPECT_EQ(server_msk_, peer_msk_);
    EXPECT_EQ(server_msk_.size(), properties_of(type).makes_msk ? kMskSize : 0);
    EXPECT_TRUE(succeeded(run(type, "CORP\\alice", "clear:correct horse")));
    EXPECT_EQ(user_, "alice") << "the name in the records, without the domain";
  }
}

TEST_F(PasswordMethodsTest, NamesAndPasswordsOfEveryOctet) {
  std::string octets;
  for (int octet = 0; octet < 256; ++octet) octets += static_cast<char>(octet);
  add(octets, "clear:" + octets);
  for (const Type type : kAll) {
    EXPECT_TRUE(succeeded(run(type, octets, "clear:" + octets))) << to_string(type);
    EXPECT_EQ(user_, octets);
  }
}

TEST_F(PasswordMethodsTest, WrongPasswordsAndUnknownUsers) {
  add("alice", "clear:right");
  for (const Type type : kAll) {
    SCOPED_TRACE(to_string(type));
    for (const char* name : {"alice", "bob"}) {
      Server s = server(type);
      Peer p = peer(type, name, "clear:wrong");
      Step server_step, peer_step = p.receive(s.begin().packet);
      while (peer_step.kind == Step::Kind::send) {
        server_step = s.receive(peer_step.packet);
        peer_step = p.receive(server_step.packet);
      }
      const Failure expected =
          name == std::string("alice") ? Failure::wrong_password : Failure::no_such_user;
      EXPECT_EQ(why(server_step), expected);
      EXPECT_EQ(why(peer_step), Failure::refused);
    }
  }
}

TEST_F(PasswordMethodsTest, FormsThatAMethodCanUse) {
  const auto hash = hash_password(*provider_, as_bytes("secret"), 10);
  add("nt", to_string(nt_hash(as_bytes("secret"))));
  add("hash", to_string(*hash));
  EXPECT_TRUE(succeeded(run(kGtc, "nt", "clear:secret")));
  EXPECT_TRUE(succeeded(run(kGtc, "hash", "clear:secret")));
  EXPECT_EQ(why(run(kGtc, "hash", "clear:other").server), Failure::wrong_password);
  EXPECT_TRUE(succeeded(run(kMschapv2, "nt", "clear:secret")));
  EXPECT_EQ(why(run(kMschapv2, "hash", "clear:secret").server), Failure::unusable_secret);
  EXPECT_EQ(why(run(kMd5, "nt", "clear:secret").server), Failure::unusable_secret);
  EXPECT_EQ(why(run(kMd5, "hash", "clear:secret").server), Failure::unusable_secret);
  // The peer's own.
  const std::string nt = to_string(nt_hash(as_bytes("secret")));
  EXPECT_TRUE(succeeded(run(kMschapv2, "nt", nt)));
  EXPECT_EQ(why(run(kMd5, "nt", nt).peer), Failure::no_credential);
  EXPECT_EQ(why(run(kGtc, "nt", nt).peer), Failure::no_credential);
  EXPECT_EQ(why(run(kMschapv2, "nt", to_string(*hash)).peer), Failure::no_credential);
}

TEST_F(PasswordMethodsTest, DisabledAndExpiredUsers) {
  for (const Type type : kAll) {
    add("alice", "clear:right").enabled = false;
    EXPECT_EQ(why(run(type, "alice", "clear:right").server), Failure::user_disabled);
    const auto wrong = why(run(type, "alice", "clear:wrong").server);
    EXPECT_EQ(wrong, Failure::wrong_password) << "who does not know the password learns nothing";
    add("alice", "clear:right").expires = kNow - 1s;
    EXPECT_EQ(why(run(type, "alice", "clear:right").server), Failure::user_expired);
  }
}

TEST_F(PasswordMethodsTest, UnknownUsersSeeTheSamePackets) {
  add("alice", "clear:right");
  for (const Type type : kAll) {
    std::vector<std::vector<std::size_t>> sizes;
    for (const char* name : {"alice", "mlaic"}) {
      sizes.emplace_back();
      for (const Bytes& packet : run(type, name, "clear:wrong").from_server)
        sizes.back().push_back(packet.size());
    }
    EXPECT_EQ(sizes[0], sizes[1]) << to_string(type);
  }
}

TEST_F(PasswordMethodsTest, Mschapv2LetsThePeerTryAgain) {
  add("alice", "clear:right");
  Server s = server(kMschapv2);
  Step step = s.receive(response(s.begin().packet[1], kIdentity, "alice"));
  // A person who types the right password at the last attempt.
  for (unsigned attempt = 0; attempt <= kMschapv2Retries; ++attempt) {
    const auto packet = decode(step.packet);
    Bytes challenge;
    if (attempt == 0) {
      challenge = to_bytes(packet->data.subspan(5, mschapv2::kChallengeSize));
    } else {
      ASSERT_EQ(why(step), Failure::wrong_password);
      const std::string text(as_text(packet->data.subspan(4)));
      ASSERT_TRUE(text.starts_with("E=691 R=1 C=")) << text;
      challenge = unhex(text.substr(12, 32));
    }
    const NtHash hash = nt_hash(as_bytes(attempt == kMschapv2Retries ? "right" : "wrong"));
    const Bytes peer_challenge(mschapv2::kChallengeSize, 7);
    const auto nt_response =
        mschapv2::nt_response(*provider_, {challenge, peer_challenge, "alice"}, hash);
    Bytes data{2, 1, 0, 59, 49};
    append(data, peer_challenge);
    append(data, Bytes(8));
    append(data, *nt_response);
    append(data, as_bytes(std::string_view("\0alice", 6)));
    step = s.receive(response(step.packet[1], kMschapv2, as_text(data)));
  }
  ASSERT_EQ(step.kind, Step::Kind::send);
  EXPECT_FALSE(step.refusal);
  EXPECT_EQ(decode(step.packet)->data[0], 3);
  EXPECT_EQ(s.receive(response(step.packet[1], kMschapv2, "\x03")).kind, Step::Kind::succeeded);
}

TEST_F(PasswordMethodsTest, Mschapv2TellsAtOnceThatAnAttemptFailed) {
  add("alice", "clear:right");
  Server s = server(kMschapv2);
  Peer p = peer(kMschapv2, "alice", "clear:wrong");
  const Step identity = p.receive(s.begin().packet);
  const Step challenge = s.receive(identity.packet);
  const Step refusal = s.receive(p.receive(challenge.packet).packet);
  EXPECT_EQ(refusal.kind, Step::Kind::send);
  EXPECT_EQ(why(refusal), Failure::wrong_password);
  const Step last = p.receive(refusal.packet);
  EXPECT_EQ(last.kind, Step::Kind::send);
  const Step end = s.receive(last.packet);
  EXPECT_EQ(why(end), Failure::wrong_password);
  const Step peer_end = p.receive(end.packet);
  EXPECT_EQ(why(peer_end), Failure::refused);
  EXPECT_EQ(peer_end.refusal->detail, "E=691, \"Wrong name or password\"");
}

TEST_F(PasswordMethodsTest, Mschapv2PasswordChangeIsRefused) {
  add("alice", "clear:right");
  Server s = server(kMschapv2);
  const Step challenge = s.receive(response(s.begin().packet[1], kIdentity, "alice"));
  const Step end = s.receive(response(challenge.packet[1], kMschapv2, "\x07 and so on"));
  EXPECT_EQ(end.kind, Step::Kind::failed);
  EXPECT_NE(end.refusal->detail.find("change the password"), std::string::npos);
}

TEST_F(PasswordMethodsTest, Mschapv2PeerWantsTheServersProof) {
  add("alice", "clear:right");
  Server s = server(kMschapv2);
  Peer p = peer(kMschapv2, "alice", "clear:right");
  const Ends ends = converse(s, p, [](Bytes& packet, bool from_server) {
    if (from_server && packet.size() > 12 && packet[5] == 3) packet[12] ^= 1;
  });
  EXPECT_EQ(why(ends.peer), Failure::server_not_trusted);
}

TEST_F(PasswordMethodsTest, Mschapv2FailureCodes) {
  const std::pair<std::string, Failure> rows[] = {
      {"E=648 R=0 C=00000000000000000000000000000000 V=3 M=too old", Failure::password_expired},
      {"E=647 R=0", Failure::refused},
      {"M=E=648", Failure::refused},  // words are no code
      {"", Failure::refused},
  };
  for (const auto& [text, expected] : rows) {
    Peer p = peer(kMschapv2, "alice", "clear:right");
    p.receive(request(1, kMschapv2,
                      std::string("\x01\x01\x00\x15\x10", 5) + std::string(16, 'c') + "server"));
    const Step step = p.receive(request(2, kMschapv2, std::string("\x04\x01\x00\x10", 4) + text));
    ASSERT_EQ(step.kind, Step::Kind::send) << text;
    EXPECT_EQ(step.packet, response(2, kMschapv2, "\x04"));
    EXPECT_EQ(why(p.receive(encode({Code::failure, 2, false, {}, {}, {}}))), expected) << text;
  }
}

// Whatever is cut off or turned round, nobody gets in, and nothing hangs.
TEST_F(PasswordMethodsTest, BrokenPackets) {
  add("alice", "clear:right");
  for (const Type type : kAll) {
    SCOPED_TRACE(to_string(type));
    const std::size_t rounds = run(type, "alice", "clear:right").packets;
    for (std::size_t at = 2; at + 1 < rounds; ++at) {
      for (std::size_t octet = 4; octet < 80; ++octet) {
        Server s = server(type);
        Peer p = peer(type, "alice", "clear:right");
        std::size_t count = 0;
        bool cut = false;
        const Ends ends = converse(s, p, [&](Bytes& packet, bool) {
          if (count++ != at || octet >= packet.size()) return;
          packet.resize(octet);
          store_be(packet.data() + 2, static_cast<std::uint16_t>(octet));
          cut = true;
        });
        EXPECT_LE(ends.packets, rounds);
        // Words are of no consequence: GTC's prompt, names at the end. Success is one octet.
        const bool prompt = type == kGtc && at % 2 == 0;
        if (cut && octet < 20 && at + 2 < rounds && !prompt) {
          EXPECT_FALSE(succeeded(ends)) << at << " " << octet;
        }
      }
    }
  }
}

TEST_F(PasswordMethodsTest, Mschapv2OutOfTurn) {
  add("alice", "clear:right");
  for (const char opcode : {'\x01', '\x03', '\x04', '\x05'}) {
    Server s = server(kMschapv2);
    const Step challenge = s.receive(response(s.begin().packet[1], kIdentity, "alice"));
    const Step end = s.receive(response(challenge.packet[1], kMschapv2, std::string(1, opcode)));
    EXPECT_EQ(why(end), Failure::protocol_error) << int{opcode};
    EXPECT_TRUE(s.msk().empty());
  }
  for (const char opcode : {'\x02', '\x03', '\x04', '\x09'}) {
    Peer p = peer(kMschapv2, "alice", "clear:right");
    const Step end = p.receive(request(1, kMschapv2, std::string(60, opcode)));
    EXPECT_EQ(why(end), Failure::protocol_error) << int{opcode};
  }
}

TEST_F(PasswordMethodsTest, GtcShowsThePasswordOnce) {
  Peer p = peer(kGtc, "alice", "clear:right");
  EXPECT_EQ(p.receive(request(1, kGtc, "Password: ")).packet, response(1, kGtc, "right"));
  EXPECT_EQ(why(p.receive(request(2, kGtc, "Again: "))), Failure::refused);
}

TEST_F(PasswordMethodsTest, OnlyPasswordMethodsAreOffered) {
  EXPECT_FALSE(offer_password_server(kTls, {*provider_, users_, kNow}));
  EXPECT_FALSE(offer_password_peer(kTls, *provider_, "alice", password_));
}

}  // namespace
}  // namespace culvert::eap
