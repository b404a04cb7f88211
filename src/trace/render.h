// Events turned into words, JSON fields and counters.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "trace/event.h"

namespace culvert::trace {

const Info& info_of(const Event& event);
// "branch[7]: established between …": the subject, then the sentence.
std::string text_of(const Event& event);
// The sentence alone.
std::string sentence_of(const Event& event);
// Names and values as text, in declaration order: what JSON output and tests read.
std::vector<std::pair<std::string, std::string>> fields_of(const Event& event);
// "IKE_SA_INIT request 0: SA KE(X25519) No N(NAT_DETECTION_SOURCE_IP) …, 240 octets"
std::string text_of(const MessageSummary& message);
std::string_view name_of(Reason reason);  // "bad integrity"
std::string_view name_of(Level level);
std::string_view name_of(Group group);  // "IKE", "CHD", as strongSwan prints them

// One counter per event name; a fixed table, no allocation on count().
class Counters {
 public:
  void count(const Event& event) { ++counts_[event.body.index()]; }
  // Calls f(name, count) for each event type.
  void for_each(const std::function<void(std::string_view, std::uint64_t)>& f) const;

 private:
  std::array<std::uint64_t, std::variant_size_v<Body>> counts_{};
};

}  // namespace culvert::trace
