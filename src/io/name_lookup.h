// Host names to addresses, on threads of their own, because the C library's resolver blocks.
#pragma once

#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/event_loop.h"
#include "net/address.h"

namespace culvert::io {

class NameLookup {
 public:
  using Addresses = std::expected<std::vector<IpAddress>, std::string>;
  // The addresses of a name in order of preference, or why there are none. Blocks; called on
  // threads of its own.
  using Function = std::function<Addresses(const std::string& name)>;
  using Answer = std::function<void(const Addresses&)>;

  // `max_threads`: lookups that may be stuck at the same time; further ones wait for their turn.
  // `lookup`: getaddrinfo() unless given. The loop outlives this; lookups that are stuck may
  // outlive both.
  NameLookup(EventLoop& loop, std::size_t max_threads, Function lookup);
  ~NameLookup();

  // `answer` is called once, on the loop's thread, unless `asker` has gone by then.
  void look_up(std::string name, std::weak_ptr<const void> asker, Answer answer);

 private:
  struct Question {
    std::string name;
    std::weak_ptr<const void> asker;
    Answer answer;
  };
  struct Shared;
  void start();

  std::size_t max_threads_;
  Function lookup_;
  std::shared_ptr<Shared> shared_;  // what lookup threads may touch
  std::deque<Question> waiting_;
  std::size_t running_ = 0;
};

}  // namespace culvert::io
