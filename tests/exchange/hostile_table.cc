#include "tests/exchange/hostile_table.h"

#include <algorithm>

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;

using Act = std::function<Reaction(MutatingPeer&)>;

std::vector<std::string_view> told_since(const MutatingPeer& peer) {
  std::vector<std::string_view> names;
  const auto& events = peer.pair.b.events;
  for (std::size_t i = peer.mark; i < events.size(); ++i) {
    const trace::Info& info = trace::info_of(events[i]);
    if (info.explains_failure || info.level <= trace::Level::warning ||
        info.name == "message_dropped" || info.name == "other_method_wanted")
      names.push_back(info.name);
  }
  return names;
}

std::string joined(const std::vector<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) text += std::string(name) + " ";
  return text;
}

void expect_answer(const Answer& wanted, const Reaction& reaction) {
  const wire::Notify* error = nullptr;
  for (const wire::Payload& payload : reaction.payloads)
    if (const auto* notify = std::get_if<wire::Notify>(&payload.body);
        notify && wire::is_error(notify->type) && !error)
      error = notify;
  const auto found = error ? static_cast<int>(error->type) : 0;
  if (wanted.kind == Answer::Kind::silence) {
    EXPECT_EQ(reaction.datagrams, 0u) << "with notification " << found;
    return;
  }
  ASSERT_EQ(reaction.datagrams, 1u);
  ASSERT_TRUE(reaction.header);
  if (wanted.kind == Answer::Kind::undone) {
    const auto* deletion = wire::find<wire::Delete>(reaction.payloads, wire::PayloadType::delete_);
    ASSERT_TRUE(deletion);
    EXPECT_EQ(deletion->protocol, wire::ProtocolId::esp);
    EXPECT_EQ(deletion->count(), 1u);
    return;
  }
  EXPECT_EQ(found, wanted.kind == Answer::Kind::refusal ? static_cast<int>(wanted.notify) : 0);
}

Left left_of(MutatingPeer& peer) {
  Left left = Left::nothing;
  for (const IkeSaStatus& sa : peer.victim().shard->list_sas(peer.pair.now)) {
    if (sa.remote.address != peer.address) continue;
    if (sa.established == kNever) return Left::half_open;
    left = sa.children.empty() ? Left::ike_sa : Left::tunnel;
  }
  return left;
}

bool equal_statistics(const ShardStatistics& a, const ShardStatistics& b) {
  return a.ike_sas == b.ike_sas && a.half_open == b.half_open && a.child_sas == b.child_sas &&
         a.child_spis == b.child_spis && a.fragment_octets == b.fragment_octets;
}

// The honest peer's tunnel works as if nothing had happened.
void expect_honest_tunnel_unharmed(MutatingPeer& peer) {
  peer.honest().shard->command(Rekey{.id = {99}, .child = "net"}, peer.pair.now);
  peer.pair.run();
  ASSERT_TRUE(peer.honest().done(99));
  EXPECT_TRUE(peer.honest().done(99)->success) << peer.honest().done(99)->explanation;
}

void end(MutatingPeer& peer) {
  peer.victim().shard->command(Terminate{.id = {98}, .connection = "mutant", .force = true},
                               peer.pair.now);
  peer.pair.pass(200s);
}

template <class Prepare>
Act mutated(Prepare prepare, Mutation mutation) {
  return [prepare, mutation = std::move(mutation)](MutatingPeer& peer) {
    Draft draft = prepare(peer);
    mutation(draft);
    return peer.send(draft);
  };
}
template <class Prepare>
Act scratched(Prepare prepare, Scratch scratch) {
  return [prepare, scratch = std::move(scratch)](MutatingPeer& peer) {
    Bytes octets = peer.encode(prepare(peer));
    scratch(octets);
    return peer.send(octets);
  };
}

Draft first_request(MutatingPeer& peer) { return peer.init_request(); }
Draft proof(MutatingPeer& peer) {
  peer.half_open();
  return peer.auth_request();
}
Draft inquiry(MutatingPeer& peer) {
  peer.establish();
  return peer.informational();
}

}  // namespace

void expect(const Row& row) {
  SCOPED_TRACE(std::string(row.rule) + " (" + row.section + ")");
  MutatingPeer peer;
  const ShardStatistics before = peer.victim().shard->statistics();
  const Reaction reaction = row.act(peer);
  expect_answer(row.answer, reaction);
  const auto told = told_since(peer);
  const std::string_view event = row.event;
  const bool as_told = event.empty() ? told.empty() : told.size() == 1 && told.front() == event;
  EXPECT_TRUE(as_told) << "told: " << joined(told);
  EXPECT_EQ(static_cast<int>(left_of(peer)), static_cast<int>(row.left));
  expect_honest_tunnel_unharmed(peer);
  end(peer);
  EXPECT_TRUE(equal_statistics(peer.victim().shard->statistics(), before)) << "state has leaked";
}

Act init(Mutation mutation) { return mutated(first_request, std::move(mutation)); }
Act auth(Mutation mutation) { return mutated(proof, std::move(mutation)); }
Act established(Make make, Mutation mutation) {
  return mutated(
      [make](MutatingPeer& peer) {
        peer.establish();
        return (peer.*make)();
      },
      std::move(mutation));
}
Act create_child(Mutation mutation) {
  return mutated(
      [](MutatingPeer& peer) {
        peer.establish();
        return peer.child_request();
      },
      std::move(mutation));
}
Act inform(Mutation mutation) { return mutated(inquiry, std::move(mutation)); }
Act init_answer(Mutation mutation) {
  return mutated([](MutatingPeer& peer) { return peer.init_response(); }, std::move(mutation));
}
Act auth_answer(Mutation mutation) {
  return mutated([](MutatingPeer& peer) { return peer.auth_response(); }, std::move(mutation));
}
Act init_octets(Scratch scratch) { return scratched(first_request, std::move(scratch)); }
Act auth_octets(Scratch scratch) { return scratched(proof, std::move(scratch)); }
Act inform_octets(Scratch scratch) { return scratched(inquiry, std::move(scratch)); }

Mutation without(wire::PayloadType type) {
  return [type](Draft& draft) { draft.remove(type); };
}
Mutation twice(wire::PayloadType type) {
  return [type](Draft& draft) { draft.payloads.push_back(*draft.find(type)); };
}
Mutation with_body(wire::PayloadType type, Bytes body) {
  return [type, body = std::move(body)](Draft& draft) { draft.replace(type, body); };
}

}  // namespace culvert::exchange_test
