// What must hold in every run. The watchers look at each step while it happens; the questions at
// the end (agreement, liveness, emptiness) stand in verdict.h.
// Invariant: a checker never changes what a run does.
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "shard/output.h"
#include "sim/plane.h"
#include "sim/toy_provider.h"
#include "trace/render.h"
#include "wire/header.h"

namespace culvert::sim {

struct Violation {
  TimePoint at;
  std::string check;  // stable, kebab-case: what tests and people look for
  std::string text;
};

class Checkers {
 public:
  void set_now(TimePoint now) { now_ = now; }
  void report(std::string_view check, std::string text);
  const std::vector<Violation>& violations() const { return violations_; }

  // RFC 7296, 3.14 and RFC 5282, 3.1: no two messages under one key and IV.
  void sealed(const ToyProvider::Sealed& sealed);
  // `host` numbers a life of a daemon: it changes when the daemon restarts.
  // `known(spi)`: the data plane has the inbound SA, or has said that it can't.
  using Known = std::function<bool(std::uint32_t)>;
  void transmitted(std::uint64_t host, ByteView message, const Known& known);
  void response_arrived(std::uint64_t host, ByteView message);

  // Outputs that a message caused which no honest host had sent.
  void forgery_had_effect(std::string_view effect);
  void outputs_of_one_input(std::size_t count);
  void shard_size(const ShardStatistics& statistics, std::size_t limit);

  void operation_failed(const Error& error, std::string_view operation);
  void left_in_clear(const InnerPacket& packet, bool covered);
  void delivered(std::uint64_t host, const InnerPacket& packet, bool within_selectors);

  void command_given(CommandId id) { commands_[id] = 0; }
  void command_done(CommandId id);
  void all_commands_done();
  void forget_command(CommandId id) { commands_.erase(id); }  // its daemon died

 private:
  struct Sender {
    std::uint64_t host, our_spi;
    auto operator<=>(const Sender&) const = default;
  };
  static Sender sender_of(std::uint64_t host, const wire::Header& header);
  void check_request(const Sender& sender, const wire::Header& header, std::uint16_t fragment,
                     std::uint64_t digest);
  void check_announcement(ByteView message, const Known& known);

  TimePoint now_{};
  std::vector<Violation> violations_;
  std::unordered_map<std::uint64_t, std::uint64_t> sealed_;  // key and IV; what was sealed
  // By the last octets of the tag, with which the datagram ends: the SPIs in its SA payload.
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> announced_;
  // By message ID and fragment number; a message that is whole counts as its first fragment.
  std::map<std::tuple<Sender, std::uint32_t, std::uint16_t>, std::uint64_t> requests_, responses_;
  std::map<Sender, std::uint32_t> answered_;  // ID after the latest answered request
  std::set<std::pair<std::uint64_t, std::uint64_t>> delivered_;
  std::map<CommandId, int> commands_;
};

}  // namespace culvert::sim
