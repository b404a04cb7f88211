// Two shards joined by a wire that a test can hold up: real cryptography, no time passes unless
// told.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "crypto/openssl_provider.h"
#include "shard/shard.h"

namespace culvert::exchange_test {

// One gateway: its shard, what its data plane was told, what it said.
struct Gateway {
  explicit Gateway(const std::string& address, ShardOptions options = {});

  void load(ConnectionConfig connection, TimePoint now);
  void load_psk(const std::string& id, std::string_view secret, std::vector<std::string> owners,
                TimePoint now);
  template <class E>
  const E* event() const {  // the latest of its kind
    for (auto at = events.rbegin(); at != events.rend(); ++at)
      if (const auto* found = std::get_if<E>(&at->body)) return found;
    return nullptr;
  }
  const CommandDone* done(std::uint64_t id) const;

  IpAddress address;
  std::unique_ptr<Provider> provider;
  std::unique_ptr<Shard> shard;
  std::vector<trace::Event> events;
  std::vector<CommandDone> commands;
  std::vector<UpDown> up_downs;
  std::vector<SaNews> news;
  std::vector<SaPairId> asked_use;  // pairs whose last use the shard wants to know
  std::vector<FindPaths> path_questions;
  std::vector<MakeSignature> to_sign;
  std::vector<FetchEvidence> to_fetch;
  std::vector<AskAaa> aaa_questions;
  std::vector<SessionBegan> sessions_begun;
  std::vector<SessionUses> session_pairs;
  std::vector<SessionEnded> sessions_ended;
  std::vector<SequenceNumberUsed> numbers_used;
  std::vector<Keepalive> keepalives;
  std::deque<LeaseAddresses> leases_wanted;  // not answered yet
  bool answer_leases = true;                 // at once, by `leases`
  LeaseBook leases;
  std::map<std::uint64_t, AssignAddresses> assigned;  // to this machine, by holder
  std::map<std::pair<SaPairId, Direction>, InstallSa> sad;
  std::map<PolicyId, InstallPolicy> policies;
  std::vector<SadOp> operations_log;  // kinds and order only; keys are moved to `sad`
};

// A datagram on its way.
struct InTransit {
  Endpoint from, to;
  Bytes payload;
};

class Pair {
 public:
  explicit Pair(ShardOptions options_a = {}, ShardOptions options_b = {},
                const std::string& address_a = "192.0.2.1",
                const std::string& address_b = "192.0.2.2");

  // Lets every output out and every datagram in, until nothing is left to do at this moment.
  void run();
  // run(), then lets time pass in steps up to the next deadline, `duration` in all.
  void pass(Duration duration);

  Gateway a, b;
  TimePoint now{std::chrono::seconds(1'000)};
  // Sees each datagram; returns what arrives instead (nothing: lost).
  std::function<std::vector<InTransit>(InTransit)> wire = [](InTransit one) {
    return std::vector<InTransit>{std::move(one)};
  };
  std::vector<InTransit> sent;  // everything that left, in order

 private:
  TimePoint drain(Gateway& gateway);
  void deliver(const InTransit& one);
  std::vector<InTransit> queue_;
};

// "site" between 192.0.2.1 (10.1.0.0/16) and 192.0.2.2 (10.2.0.0/16), seen from the first or
// second.
ConnectionConfig site(bool first, const std::string& ike = "aes128gcm16-prfsha256-x25519",
                      const std::string& esp = "aes128gcm16");
// site() with a second child "lab" between 10.3.0.0/16 and 10.4.0.0/16, whose proposal is `esp`.
ConnectionConfig site_with_lab(bool first, const std::string& esp = "aes128gcm16");
// Loads site() on both, with one key for everybody.
void load_site(Pair& pair, const std::string& ike = "aes128gcm16-prfsha256-x25519",
               const std::string& esp = "aes128gcm16");
void initiate(Pair& pair, const std::string& child = "net", std::uint64_t id = 1);
// Both data planes hold mirror images with the same keys.
::testing::AssertionResult sads_agree(const Pair& pair);

}  // namespace culvert::exchange_test
