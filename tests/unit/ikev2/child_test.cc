// Which CHILD SA of a lineage carries its traffic when another one goes.
#include "ikev2/child.h"

#include <gtest/gtest.h>

#include "fake_host.h"

namespace culvert::ikev2 {
namespace {

constexpr TimePoint kNow{std::chrono::seconds(1'000)};

// An IKE SA whose CHILD SAs with pairs 1 … `count` are one lineage; the first has the policy.
IkeSa lineage_of(std::size_t count) {
  auto connection = std::make_shared<ConnectionConfig>();
  connection->children.emplace_back();
  connection->children[0].name = "net";
  IkeSa sa;
  sa.connection = connection;
  for (std::size_t i = 1; i <= count; ++i) {
    ChildSa child;
    child.config = ChildConfigRef(connection, &connection->children[0]);
    child.pair = {i};
    child.lineage = 1;
    sa.children.push_back(std::move(child));
  }
  sa.children[0].policy = {7};
  return sa;
}

std::vector<SaPairId> policy_targets(const FakeHost& host) {
  std::vector<SaPairId> pairs;
  for (const SadOp& operation : host.operations)
    if (const auto* update = std::get_if<UpdatePolicy>(&operation)) pairs.push_back(update->pair);
  return pairs;
}

// The second lost a collision that the peer has forgotten: nobody deletes it.
TEST(Lineage, TheSuccessorCarriesTheTrafficNotAnySaThatIsLeft) {
  FakeHost host;
  IkeSa sa = lineage_of(3);
  sa.children[0].successor = {3};
  remove_child(host, sa, {1}, "peer", kNow);
  EXPECT_EQ(policy_targets(host), (std::vector<SaPairId>{{3}}));
}

TEST(Lineage, TheSuccessorOfASuccessorMayBeTheOne) {
  FakeHost host;
  IkeSa sa = lineage_of(4);
  sa.children[0].successor = {3};
  sa.children[2].successor = {4};
  sa.children[2].state = ChildState::rekeyed;
  remove_child(host, sa, {1}, "peer", kNow);
  EXPECT_EQ(policy_targets(host), (std::vector<SaPairId>{{4}}));
}

TEST(Lineage, AnotherSaServesWhereTheSuccessorIsGone) {
  FakeHost host;
  IkeSa sa = lineage_of(2);
  sa.children[0].successor = {9};
  remove_child(host, sa, {1}, "peer", kNow);
  EXPECT_EQ(policy_targets(host), (std::vector<SaPairId>{{2}}));
  remove_child(host, sa, {2}, "peer", kNow);
  EXPECT_TRUE(std::ranges::any_of(host.operations, [](const SadOp& operation) {
    return std::holds_alternative<DeletePolicy>(operation);
  }));
}

TEST(Lineage, ThePredecessorGoesOnWhenThePeerDoesNotHaveTheSuccessor) {
  FakeHost host;
  IkeSa sa = lineage_of(2);
  sa.children[0].state = ChildState::rekeyed;
  sa.children[0].successor = {2};
  remove_child(host, sa, {2}, "peer", kNow);
  EXPECT_EQ(sa.children[0].state, ChildState::installed);
  EXPECT_TRUE(sa.children[0].policy);
  for (const SadOp& operation : host.operations)
    EXPECT_FALSE(std::holds_alternative<DeletePolicy>(operation));
}

}  // namespace
}  // namespace culvert::ikev2
