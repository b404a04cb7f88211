// Invariant: by_connection_ holds exactly the entries of the list, each under its own name.
#include "control/failure_book.h"

#include "trace/render.h"

namespace culvert::control {

void FailureBook::record(const trace::Event& event, std::chrono::system_clock::time_point when) {
  const auto& info = trace::info_of(event);
  if (!info.explains_failure) return;
  const auto& connection = event.subject.connection;
  forget(connection);
  entries_.push_front(
      {connection, {std::string(info.name), trace::sentence_of(event), event.subject.child, when}});
  by_connection_[connection] = entries_.begin();
  if (entries_.size() > kMaxEntries) forget(std::string(entries_.back().connection));
}

std::optional<Failure> FailureBook::find(const std::string& connection) const {
  const auto found = by_connection_.find(connection);
  if (found == by_connection_.end()) return std::nullopt;
  return found->second->failure;
}

void FailureBook::forget(const std::string& connection) {
  const auto found = by_connection_.find(connection);
  if (found == by_connection_.end()) return;
  entries_.erase(found->second);
  by_connection_.erase(found);
}

}  // namespace culvert::control
