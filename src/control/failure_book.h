// The last failure of each connection: the answer to `culvert why`.
#pragma once

#include <chrono>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

#include "trace/event.h"

namespace culvert::control {

struct Failure {
  std::string event;  // its name: "wrong_secret"
  std::string text;   // its sentence, which says what to change
  std::string child;  // may be empty
  std::chrono::system_clock::time_point when;
};

// Bounded: beyond kMaxEntries connections, the one that failed longest ago is forgotten.
class FailureBook {
 public:
  static constexpr std::size_t kMaxEntries = 10'000;

  // Keeps the event if it explains a failure. Those of no connection are kept under "".
  void record(const trace::Event& event, std::chrono::system_clock::time_point when);
  // The connection's own, or for one that never failed itself, nothing.
  std::optional<Failure> find(const std::string& connection) const;
  void forget(const std::string& connection);
  std::size_t size() const { return by_connection_.size(); }

 private:
  struct Entry {
    std::string connection;
    Failure failure;
  };
  std::list<Entry> entries_;  // the latest failure first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_connection_;
};

}  // namespace culvert::control
