// One broken rule, and what the RFC wants of it: the rows of the mutating peer's tables.
#pragma once

#include "tests/exchange/mutating_peer.h"

namespace culvert::exchange_test {

struct Answer {
  enum class Kind : std::uint8_t {
    silence,
    normal,   // an answer without an error notification
    refusal,  // an answer with this error notification, or a request of the victim that says so
    undone,   // the victim has the CHILD SA deleted that the answer claims to have made
  } kind = Kind::silence;
  wire::NotifyType notify{};
};
inline constexpr Answer kSilence{};
inline constexpr Answer kUndone{Answer::Kind::undone, {}};
inline constexpr Answer kNormal{Answer::Kind::normal, {}};
constexpr Answer refusal(wire::NotifyType type) { return {Answer::Kind::refusal, type}; }

// What the victim has of us afterwards, besides the tunnel of the honest peer.
enum class Left : std::uint8_t { nothing, half_open, ike_sa, tunnel };

struct Row {
  const char* rule;     // what is broken
  const char* section;  // where the answer is laid down
  std::function<Reaction(MutatingPeer&)> act;
  Answer answer;
  const char* event;  // told exactly once; "": nothing is wrong
  Left left;
};

void expect(const Row& row);

// The acts: an honest peer's message at that stage, with one mutation.
std::function<Reaction(MutatingPeer&)> init(Mutation mutation);
std::function<Reaction(MutatingPeer&)> auth(Mutation mutation);
using Make = Draft (MutatingPeer::*)();
std::function<Reaction(MutatingPeer&)> established(Make make, Mutation mutation);
std::function<Reaction(MutatingPeer&)> create_child(Mutation mutation);
std::function<Reaction(MutatingPeer&)> inform(Mutation mutation);
std::function<Reaction(MutatingPeer&)> init_answer(Mutation mutation);
std::function<Reaction(MutatingPeer&)> auth_answer(Mutation mutation);

// The octets of a message, changed after they were made.
using Scratch = std::function<void(Bytes&)>;
std::function<Reaction(MutatingPeer&)> init_octets(Scratch scratch);
std::function<Reaction(MutatingPeer&)> auth_octets(Scratch scratch);
std::function<Reaction(MutatingPeer&)> inform_octets(Scratch scratch);

Mutation without(wire::PayloadType type);
Mutation twice(wire::PayloadType type);
Mutation with_body(wire::PayloadType type, Bytes body);

}  // namespace culvert::exchange_test
