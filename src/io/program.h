// Runs programs for the operator beside the event loop: a few at a time, each with a deadline, and
// one after the other where their order matters.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/event_loop.h"

namespace culvert::io {

struct Program {
  std::string command;                   // for /bin/sh -c
  std::vector<std::string> environment;  // all of it: "NAME=value"
  // A line that it writes to either stream, without control characters.
  std::function<void(const std::string& line)> on_line;
  // Called once: empty when it ended with status 0, else "ended with status 3", "was killed after
  // 30 s", ….
  std::function<void(const std::string& outcome)> on_end;
};

class ProgramRunner {
 public:
  struct Options {
    Duration deadline = std::chrono::seconds(30);  // then it is killed with its process group
    std::size_t max_running = 16;
    std::size_t max_waiting = 4'096;
    std::size_t max_lines = 200;  // per program; further ones are only counted
  };

  // The loop outlives the runner. Callbacks come on its thread, none after the runner has gone.
  ProgramRunner(EventLoop& loop, Options options);
  // Kills what still runs.
  ~ProgramRunner();
  ProgramRunner(const ProgramRunner&) = delete;
  ProgramRunner& operator=(const ProgramRunner&) = delete;

  // Programs of one lane run in the order of these calls, each when the one before it has ended.
  // False: too many wait, and this one is not run.
  bool run(std::uint64_t lane, Program program);
  std::size_t waiting() const { return waiting_; }
  bool idle() const { return running_.empty() && waiting_ == 0; }

 private:
  struct Running;
  void start_next();
  void start(std::uint64_t lane, Program program);
  void finish_lane(std::uint64_t lane);
  // Takes a piece of its output; false when there is none at the moment.
  bool read(Running& running);
  void take_line(Running& running);
  void expire(Running& running);
  void ended(Running& running);

  EventLoop& loop_;
  Options options_;
  // Lanes with a program that runs or waits; the programs are those that wait.
  std::unordered_map<std::uint64_t, std::deque<Program>> lanes_;
  std::deque<std::uint64_t> ready_;  // lanes whose next program may start
  std::size_t waiting_ = 0;
  std::list<std::unique_ptr<Running>> running_;
};

}  // namespace culvert::io
