// The updown programs of CHILD SAs, with the environment that strongSwan's have.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/program.h"
#include "shard/output.h"
#include "trace/event.h"

namespace culvert {

struct HookCall {
  std::string verb;  // "up-client", "down-host-v6"
  std::vector<std::string> environment;
};
// One call for each pair of selectors that a policy stands for. `interface` has the local address.
std::vector<HookCall> hook_calls(const IkeSaStatus& sa, const ChildSaStatus& child, bool up,
                                 const std::string& interface);

class Hooks {
 public:
  using Emit = std::function<void(trace::Event&&)>;
  Hooks(io::EventLoop& loop, Emit emit, io::ProgramRunner::Options options = {});

  // Runs what a CHILD SA's configuration asks for. The calls of one CHILD SA, rekeyed or not, run
  // in order.
  void run(const UpDown& change);
  bool idle() const { return runner_.idle(); }

 private:
  std::string interface_of(const IkeSaStatus& sa, const ChildSaStatus& child, bool up);

  Emit emit_;
  io::ProgramRunner runner_;
  // By reqid, as it was when the CHILD SA came up: the address may be gone when it goes down.
  std::unordered_map<std::uint32_t, std::string> interfaces_;
};

}  // namespace culvert
