#include "radius/client.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/unit/radius/fake_server.h"

namespace culvert::radius {
namespace {

constexpr TimePoint kStart{std::chrono::seconds(1'000)};

class ClientTest : public testing::Test {
 protected:
  void make(std::vector<Server> servers) {
    client_ = std::make_unique<Client>(*provider_, std::move(servers));
  }
  void make(std::uint32_t count) {
    std::vector<Server> servers;
    for (std::uint32_t i = 0; i < count; ++i)
      servers.push_back(test_server("aaa" + std::to_string(i), i + 1));
    make(std::move(servers));
  }
  RequestId send(std::optional<std::uint32_t> server = {}) {
    Request request{.server = server};
    AttributeWriter(request.attributes).add(Type::user_name, "nemo");
    const auto id = client_->send(std::move(request), now_);
    drain();
    return id;
  }
  void drain() {
    while (auto output = client_->poll(now_)) {
      if (auto* sent = std::get_if<Transmit>(&*output)) {
        ++sent_to_[sent->server];
        last_ = std::move(*sent);
        all_.push_back(last_);
      } else if (auto* answered = std::get_if<Answered>(&*output)) {
        answered_.push_back(answered->id);
        answered_by_ = answered->server;
      } else if (auto* failed = std::get_if<Failed>(&*output)) {
        failed_.push_back(failed->failure);
      } else if (auto* dead = std::get_if<ServerDead>(&*output)) {
        dead_.push_back(dead->server);
      } else if (auto* alive = std::get_if<ServerAlive>(&*output)) {
        revived_.push_back(alive->server);
      } else {
        dropped_.push_back(std::get<Dropped>(*output).why);
      }
    }
  }
  // Lets the time go on from one timer to the next.
  void wait_until(TimePoint until) {
    while (client_->next_timer() <= until) {
      now_ = client_->next_timer();
      drain();
    }
    now_ = until;
  }
  // Until this server is asked.
  void wait_for(std::uint32_t server) {
    while (last_.server != server && client_->next_timer() != kNever)
      wait_until(client_->next_timer());
  }
  void wait(Duration duration) { wait_until(now_ + duration); }
  void answer(const Transmit& sent, FakeServer::Fault fault = FakeServer::Fault::none) {
    const Code code = sent.octets[0] == 4 ? Code::accounting_response : Code::access_accept;
    receive(sent, server_.answer(sent.octets, code, Bytes{18, 3, 'x'}, fault));
  }
  void receive(const Transmit& sent, ByteView octets) {
    client_->receive(sent.server, sent.socket, client_->server(sent.server).endpoint, octets, now_);
    drain();
  }

  std::unique_ptr<Provider> provider_ = make_openssl_provider();
  FakeServer server_{*provider_, "testing123"};
  std::unique_ptr<Client> client_;
  TimePoint now_ = kStart;
  std::map<std::uint32_t, int> sent_to_;
  Transmit last_;
  std::vector<Transmit> all_;
  std::vector<RequestId> answered_;
  std::uint32_t answered_by_ = 99;
  std::vector<Failure> failed_;
  std::vector<std::uint32_t> dead_, revived_;
  std::vector<std::string_view> dropped_;
};

TEST_F(ClientTest, AnswersReachTheirRequestsInAnyOrderOnce) {
  make(1);
  std::vector<RequestId> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(send());
  const auto sent = all_;
  for (const int i : {2, 0, 1}) answer(sent[static_cast<std::size_t>(i)]);
  EXPECT_EQ(answered_, (std::vector{ids[2], ids[0], ids[1]}));
  answer(sent[1]);  // a duplicate
  EXPECT_EQ(answered_.size(), 3u);
  EXPECT_EQ(dropped_.size(), 1u);
  EXPECT_EQ(client_->outstanding(), 0u);
  wait(60s);
  EXPECT_EQ(all_.size(), 3u);
  EXPECT_TRUE(failed_.empty());
}

TEST_F(ClientTest, SendsTheSamePacketAgainAndFailsWhenAllAreSilent) {
  make(1);
  send();
  wait(30s);
  ASSERT_EQ(all_.size(), 3u);
  EXPECT_EQ(all_[0].octets, all_[2].octets);
  ASSERT_EQ(failed_.size(), 1u);
  EXPECT_EQ(failed_[0].kind, Failure::Kind::silent);
  EXPECT_EQ(failed_[0].servers, "aaa0 (192.0.2.1:1812)");
  EXPECT_GT(failed_[0].waited, 8s);
  EXPECT_LT(failed_[0].waited, 11s);
  EXPECT_EQ(dead_, std::vector<std::uint32_t>{0});
}

TEST_F(ClientTest, AsksTheNextServerWhenOneIsSilentAndSkipsItFromThenOn) {
  make(2);
  const auto id = send();
  wait_for(1);
  EXPECT_EQ(sent_to_[0], 3);
  ASSERT_EQ(sent_to_[1], 1);
  EXPECT_NE(all_[0].octets, last_.octets);  // signed anew
  answer(last_);
  EXPECT_EQ(answered_, std::vector{id});
  EXPECT_EQ(answered_by_, 1u);
  EXPECT_EQ(dead_, std::vector<std::uint32_t>{0});
  for (int i = 0; i < 5; ++i) {
    send();
    EXPECT_EQ(last_.server, 1u);
    answer(last_);
  }
  EXPECT_EQ(sent_to_[0], 3);
}

TEST_F(ClientTest, RequestsThatWaitMoveOnAsSoonAsTheServerIsDead) {
  make(2);
  send();
  wait(8s);
  send();  // to the first one, which is about to be dead
  EXPECT_EQ(last_.server, 0u);
  wait_for(1);
  EXPECT_EQ(dead_.size(), 1u);
  while (sent_to_[1] < 2) wait_until(client_->next_timer());
  EXPECT_LT(now_ - kStart, 14s);  // well before its own tries were over
}

TEST_F(ClientTest, OneRequestTriesWhetherADeadServerIsBack) {
  make(2);
  send();
  wait_for(1);
  answer(last_);
  wait(61s);
  sent_to_.clear();
  send();
  EXPECT_EQ(last_.server, 0u);
  send();  // does not wait for the outcome
  EXPECT_EQ(last_.server, 1u);
  answer(last_);
  while (sent_to_[1] < 2) wait_until(client_->next_timer());
  EXPECT_EQ(sent_to_[0], 1);  // one try, then the other server, and dead for as long again
  answer(last_);
  send();
  EXPECT_EQ(last_.server, 1u);
  answer(last_);
  wait(61s);
  send();
  EXPECT_EQ(last_.server, 0u);
  answer(last_);
  EXPECT_EQ(revived_, std::vector<std::uint32_t>{0});
  send();
  EXPECT_EQ(last_.server, 0u);
}

TEST_F(ClientTest, StatusServerTellsThatAServerIsBack) {
  std::vector<Server> servers;
  servers.push_back(test_server("first", 1));
  servers[0].status_server = true;
  servers.push_back(test_server("second", 2));
  make(std::move(servers));
  send();
  wait_for(1);
  answer(last_);
  sent_to_.clear();
  wait(100s);
  EXPECT_GT(sent_to_[0], 5);
  EXPECT_EQ(last_.octets[0], static_cast<std::uint8_t>(Code::status_server));
  send();  // no user has to find out
  EXPECT_EQ(last_.server, 1u);
  answer(last_);
  while (last_.server != 0) wait(1s);
  // Its answers need no Message-Authenticator: RFC 5997, 3.
  receive(last_, server_.answer(last_.octets, Code::access_accept, {},
                                FakeServer::Fault::no_message_authenticator));
  EXPECT_EQ(revived_, std::vector<std::uint32_t>{0});
  send();
  EXPECT_EQ(last_.server, 0u);
  answer(last_);
  sent_to_.clear();
  wait(100s);
  EXPECT_EQ(sent_to_[0], 0);  // no more probes
  EXPECT_EQ(client_->outstanding(), 0u);
}

TEST_F(ClientTest, AConversationStaysWithItsServer) {
  make(2);
  send(0);
  wait(30s);
  EXPECT_EQ(sent_to_[1], 0);
  ASSERT_EQ(failed_.size(), 1u);
  EXPECT_EQ(failed_[0].servers, "aaa0 (192.0.2.1:1812)");
  send();
  EXPECT_EQ(last_.server, 1u);
}

TEST_F(ClientTest, AServerThatAnswersOthersIsNotDead) {
  make(2);
  send();
  for (int i = 0; i < 11; ++i) {
    send();
    if (last_.server == 0) answer(last_);
    wait(1s);
  }
  wait_for(1);  // with what the first would not answer
  EXPECT_TRUE(dead_.empty());
}

TEST_F(ClientTest, AllDeadServersAreAskedInTurn) {
  make(2);
  send();
  wait(30s);
  EXPECT_EQ(dead_.size(), 2u);
  sent_to_.clear();
  failed_.clear();
  send();
  wait(30s);
  EXPECT_EQ(sent_to_[0], 3);
  EXPECT_EQ(sent_to_[1], 3);
  ASSERT_EQ(failed_.size(), 1u);
  EXPECT_EQ(failed_[0].servers, "aaa0 (192.0.2.1:1812), aaa1 (192.0.2.2:1812)");
}

TEST_F(ClientTest, BadAnswersChangeNothingAndNameTheFailure) {
  using Fault = FakeServer::Fault;
  using Kind = Failure::Kind;
  const std::pair<Fault, Kind> cases[] = {
      {Fault::wrong_secret, Kind::wrong_secret},
      {Fault::wrong_message_authenticator, Kind::wrong_secret},
      {Fault::short_message_authenticator, Kind::wrong_secret},
      {Fault::flipped_attribute, Kind::wrong_secret},
      {Fault::no_message_authenticator, Kind::missing_message_authenticator},
      {Fault::other_code, Kind::malformed},
      {Fault::cut_short, Kind::malformed},
      {Fault::attribute_of_length_one, Kind::malformed},
      {Fault::length_past_the_end, Kind::malformed},
      {Fault::other_identifier, Kind::silent},
      {Fault::empty, Kind::silent},
  };
  for (const auto& [fault, kind] : cases) {
    SCOPED_TRACE(static_cast<int>(fault));
    make(1);
    failed_.clear();
    answered_.clear();
    dropped_.clear();
    send();
    answer(last_, fault);
    EXPECT_TRUE(answered_.empty());
    EXPECT_EQ(dropped_.size(), 1u);
    wait(30s);
    ASSERT_EQ(failed_.size(), 1u);
    EXPECT_EQ(failed_[0].kind, kind);
    EXPECT_NE(failed_[0].to_string().find("aaa0"), std::string::npos);
  }
}

TEST_F(ClientTest, AGoodAnswerCountsAfterABadOne) {
  make(1);
  const auto id = send();
  answer(last_, FakeServer::Fault::wrong_secret);
  answer(last_);
  EXPECT_EQ(answered_, std::vector{id});
}

TEST_F(ClientTest, AnswersFromElsewhereAreDropped) {
  make(1);
  send();
  const auto octets = server_.answer(last_.octets, Code::access_accept, {});
  Endpoint other = client_->server(0).endpoint;
  other.address = *IpAddress::parse("192.0.2.77");
  client_->receive(0, 0, other, octets, now_);
  other = client_->server(0).endpoint;
  ++other.port;
  client_->receive(0, 0, other, octets, now_);
  client_->receive(0, 1, client_->server(0).endpoint, octets, now_);  // to another socket
  client_->receive(7, 0, client_->server(0).endpoint, octets, now_);
  drain();
  EXPECT_TRUE(answered_.empty());
  EXPECT_EQ(dropped_.size(), 3u);
  answer(last_);
  EXPECT_EQ(answered_.size(), 1u);
}

TEST_F(ClientTest, UsesMoreSocketsWhenIdentifiersRunOutAndThenWaits) {
  auto server = test_server("aaa0", 1);
  server.sockets = 2;
  std::vector<Server> servers;
  servers.push_back(std::move(server));
  make(std::move(servers));
  for (int i = 0; i < 515; ++i) send();
  std::set<std::pair<std::uint32_t, std::uint8_t>> used;
  for (const auto& sent : all_) used.insert({sent.socket, sent.octets[1]});
  EXPECT_EQ(used.size(), 512u);
  EXPECT_EQ(all_.size(), 512u);
  const auto first = all_[0], second = all_[300];
  answer(first);
  answer(second);
  EXPECT_EQ(all_.size(), 514u);  // two of those that waited
  answer(first);                 // the old answer is none to the request that has its place now
  EXPECT_EQ(answered_.size(), 2u);
  for (std::size_t i = 1; i < all_.size(); ++i)
    if (i != 300) answer(Transmit(all_[i]));
  EXPECT_EQ(answered_.size(), 515u);
  EXPECT_EQ(client_->outstanding(), 0u);
}

TEST_F(ClientTest, AnIdentifierRestsAsLongAsItCan) {
  make(1);
  send();
  const std::uint8_t first = last_.octets[1];
  answer(last_);
  for (int i = 0; i < 255; ++i) {
    send();
    EXPECT_NE(last_.octets[1], first);
    answer(last_);
  }
  send();
  EXPECT_EQ(last_.octets[1], first);
}

TEST_F(ClientTest, CancelledRequestsSayNothing) {
  make(1);
  const auto id = send();
  client_->cancel(id, now_);
  answer(last_);
  wait(30s);
  EXPECT_TRUE(answered_.empty());
  EXPECT_TRUE(failed_.empty());
  EXPECT_EQ(all_.size(), 1u);
  client_->cancel(id, now_);
  client_->cancel({}, now_);
}

TEST_F(ClientTest, AClosedPortSendsRequestsOnAtOnce) {
  make(2);
  send();
  send();
  client_->refused(0, 0, now_);
  drain();
  EXPECT_EQ(sent_to_[1], 2);
  EXPECT_EQ(dead_, std::vector<std::uint32_t>{0});
}

TEST_F(ClientTest, OverAStreamNothingIsSentTwiceUnlessItsConnectionIsLost) {
  auto server = test_server("radsec", 1);
  server.stream = true;
  std::vector<Server> servers;
  servers.push_back(std::move(server));
  make(std::move(servers));
  send();
  wait(3s);
  EXPECT_EQ(all_.size(), 1u);
  client_->lost(0, 0);
  drain();
  EXPECT_EQ(all_.size(), 2u);
  EXPECT_TRUE(dead_.empty());
  client_->lost(0, 0);  // no more tries
  client_->lost(5, 0);
  drain();
  EXPECT_EQ(all_.size(), 2u);
  wait(30s);
  EXPECT_EQ(all_.size(), 2u);
  EXPECT_EQ(failed_.size(), 1u);
}

TEST_F(ClientTest, ARefusedConnectionIsTriedAgain) {
  auto server = test_server("radsec", 1);
  server.stream = true;
  std::vector<Server> servers;
  servers.push_back(std::move(server));
  make(std::move(servers));
  send();
  client_->refused(0, 0, now_);
  drain();
  EXPECT_EQ(dead_, std::vector<std::uint32_t>{0});
  wait(3s);
  EXPECT_EQ(all_.size(), 2u);
  answer(last_);
  EXPECT_EQ(answered_.size(), 1u);
  EXPECT_EQ(revived_, std::vector<std::uint32_t>{0});
}

TEST_F(ClientTest, RefusesWhatCannotBeSent) {
  make(1);
  client_->send({.attributes = Bytes(kMaxRequestAttributes + 1)}, now_);
  client_->send({.server = 3}, now_);
  make(0);
  client_->send({}, now_);
  drain();
  ASSERT_EQ(failed_.size(), 1u);
  EXPECT_EQ(failed_[0].kind, Failure::Kind::no_server);
}

TEST_F(ClientTest, PasswordsAreHiddenForEachServer) {
  make(2);
  Request request{.password = SecretBytes(as_bytes("arctangent"))};
  client_->send(std::move(request), now_);
  drain();
  wait_for(1);
  const auto first = Packet::decode(all_[0].octets), second = Packet::decode(last_.octets);
  ASSERT_TRUE(first->find(Type::user_password));
  EXPECT_EQ(first->find(Type::user_password)->size(), 16u);
  EXPECT_FALSE(equal(*first->find(Type::user_password), *second->find(Type::user_password)));
}

}  // namespace
}  // namespace culvert::radius
