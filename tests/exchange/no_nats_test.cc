// RFC 4555, 3.9: where one side does no NAT traversal, the initiator names the addresses that its
// packets leave with, and a responder that sees others refuses.
#include <gmock/gmock.h>

#include "tests/exchange/mutating_peer.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;
using wire::ExchangeType;
using wire::NotifyType;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

// RFC 4555, 4.2.6.
Bytes path(const Endpoint& source, const Endpoint& destination) {
  Bytes data = to_bytes(source.address.bytes());
  append(data, destination.address.bytes());
  for (const std::uint16_t port : {source.port, destination.port}) {
    data.push_back(static_cast<std::uint8_t>(port >> 8));
    data.push_back(static_cast<std::uint8_t>(port));
  }
  return data;
}

// A mobile tunnel with a peer that says nothing about NAT traversal.
class NoNats : public ::testing::Test {
 protected:
  NoNats() {
    ConnectionConfig connection = site(false);
    connection.name = "mutant";
    connection.local_addrs.clear();
    connection.children[0].remote = {*parse_selector("10.6.0.0/16")};
    connection.remote_addrs.clear();
    peer.victim().load(connection, peer.pair.now);
  }
  Reaction authenticate(const Bytes& named) {
    peer.half_open();
    Draft draft = peer.auth_request();
    draft.add_notify(NotifyType::mobike_supported);
    draft.add_notify(NotifyType::no_nats_allowed, named);
    const Reaction reaction = peer.send(draft);
    peer.message_id = 2;
    return reaction;
  }
  Reaction update(const Endpoint& from, const Bytes& named) {
    Draft draft = peer.informational();
    draft.add_notify(NotifyType::update_sa_addresses);
    draft.add_notify(NotifyType::no_nats_allowed, named);
    const Reaction reaction = peer.send_from(from, peer.encode(draft));
    ++peer.message_id;
    return reaction;
  }
  Endpoint remote_of_mutant() {
    for (const IkeSaStatus& sa : peer.victim().shard->list_sas(peer.pair.now))
      if (sa.name == "mutant") return sa.remote;
    return {};
  }
  Endpoint victims_end() { return {peer.victim().address, 500}; }

  MutatingPeer peer;
};

TEST_F(NoNats, WhatArrivesAsItLeftIsAccepted) {
  EXPECT_FALSE(
      authenticate(path(peer.our_end(), victims_end())).has(NotifyType::unexpected_nat_detected));
  EXPECT_EQ(remote_of_mutant(), peer.our_end());
}

TEST_F(NoNats, ATranslatedFirstExchangeIsRefused) {
  const Endpoint inside{ip("10.0.0.9"), 500};
  EXPECT_TRUE(authenticate(path(inside, victims_end())).has(NotifyType::unexpected_nat_detected));
  EXPECT_EQ(remote_of_mutant(), Endpoint{});
  EXPECT_TRUE(peer.victim().event<trace::UnexpectedNat>());
}

TEST_F(NoNats, ATranslatedUpdateIsRefusedAndAnotherFollowed) {
  authenticate(path(peer.our_end(), victims_end()));
  const Endpoint moved{ip("192.0.2.67"), 500}, inside{ip("10.0.0.9"), 500};
  EXPECT_TRUE(update(moved, path(inside, victims_end())).has(NotifyType::unexpected_nat_detected));
  EXPECT_EQ(remote_of_mutant(), peer.our_end());
  EXPECT_TRUE(peer.victim().event<trace::UnexpectedNat>());
  EXPECT_FALSE(update(moved, path(moved, victims_end())).has(NotifyType::unexpected_nat_detected));
  EXPECT_EQ(remote_of_mutant(), moved);
}

TEST_F(NoNats, APortMayNotBeTranslatedEither) {
  const Endpoint other_port{peer.our_end().address, 501};
  EXPECT_TRUE(
      authenticate(path(other_port, victims_end())).has(NotifyType::unexpected_nat_detected));
}

// The victim begins, and moves later.
class NoNatsAsInitiator : public NoNats {
 protected:
  NoNatsAsInitiator() {
    peer.start_victim = [this] {
      Gateway& victim = peer.victim();
      victim.shard->command(NetworkChanged{{victim.address}}, peer.pair.now);
      victim.shard->command(Initiate{{66}, "mutant", "net"}, peer.pair.now);
      peer.pair.run();
      answer_paths();
      victim.shard->complete(JobId{1}, {victim.address, peer.address, {}}, peer.pair.now);
    };
  }
  void answer_paths() {
    for (const FindPaths& question : std::exchange(peer.victim().path_questions, {}))
      peer.victim().shard->complete(question.job, FoundPaths{{peer.victim().address, peer.address}},
                                    peer.pair.now);
    peer.pair.run();
  }
  Reaction move() {
    return peer.let_victim([this] {
      peer.victim().address = ip("192.0.2.3");
      peer.victim().shard->command(NetworkChanged{{peer.victim().address}}, peer.pair.now);
      peer.pair.run();
      answer_paths();
    });
  }
  // Answers the update as a responder behind a NAT that it did not expect.
  Reaction refuse(const Reaction& request) {
    peer.message_id = request.header->message_id;
    Draft draft{peer.header(ExchangeType::informational, true), {}};
    const auto* cookie = wire::find_notify(request.payloads, NotifyType::cookie2);
    if (cookie) draft.add_notify(NotifyType::cookie2, cookie->data);
    draft.add_notify(NotifyType::unexpected_nat_detected);
    return peer.send(draft);
  }
  static Bytes named_in(const Reaction& request) {
    const auto* notify = wire::find_notify(request.payloads, NotifyType::no_nats_allowed);
    return notify ? notify->data : Bytes{};
  }
};

TEST_F(NoNatsAsInitiator, TheAddressesAreNamedInIkeAuthAndInUpdates) {
  peer.first_message = peer.encode(peer.init_response());
  const Reaction auth = peer.send(peer.first_message);
  EXPECT_EQ(named_in(auth), path(victims_end(), peer.our_end()));
}

TEST_F(NoNatsAsInitiator, ARefusedUpdateIsTriedAgainAFewTimes) {
  Draft answer = peer.auth_response();
  answer.add_notify(NotifyType::mobike_supported);
  peer.send(answer);
  Reaction request = move();
  ASSERT_TRUE(request.has(NotifyType::update_sa_addresses));
  EXPECT_EQ(named_in(request), path(victims_end(), peer.our_end()));
  std::uint32_t updates = 0;
  for (; request.has(NotifyType::update_sa_addresses) && updates < 50; ++updates)
    request = refuse(request);
  EXPECT_EQ(updates, 1 + ShardOptions{}.retransmit.tries);
  EXPECT_TRUE(peer.victim().event<trace::AddressesRefused>());
}

}  // namespace
}  // namespace culvert::exchange_test
