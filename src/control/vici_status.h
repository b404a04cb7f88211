// What the daemon says of itself over vici, in the field names, order and value forms of
// strongSwan 5.9.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "control/backend.h"
#include "control/vici_message.h"
#include "shard/output.h"
#include "shard/status.h"
#include "trace/event.h"

namespace culvert::vici {

using CounterQuery = std::function<std::optional<SaPairCounters>(SaPairId)>;

// Which CHILD SAs of an IKE SA are listed; everything that is empty or zero fits all.
struct ChildFilter {
  std::string name;
  std::uint32_t unique_id = 0;
  bool fits(const ChildSaStatus& child) const {
    return (name.empty() || name == child.name) && (unique_id == 0 || unique_id == child.unique_id);
  }
};

// Bodies of events: list-sa, ike-updown and child-updown, list-conn, list-policy.
Message list_sa_event(const IkeSaStatus& sa, const ChildFilter& filter, TimePoint now,
                      const CounterQuery& counters);
Message updown_event(const UpDown& change, TimePoint now, const CounterQuery& counters);
// ike-rekey, child-rekey and ike-update.
std::string_view name_of(const SaNews& news);
Message news_event(const SaNews& news, TimePoint now, const CounterQuery& counters);
Message list_conn_event(const ConnectionConfig& connection);
Message list_policy_event(const PolicyStatus& policy);

// Culvert's own: a failure that `why` explains, as it happens.
Message alert_event(const trace::Event& event);
// Bodies of the events log and control-log.
Message log_event(const trace::Event& event);
// strongSwan's log levels: 1 is what an operator follows, 2 is detail, 3 is for developers.
unsigned log_level(const trace::Event& event);

Message version_response();
Message stats_response(const control::Backend& backend,
                       std::chrono::system_clock::time_point started);
Message algorithms_response(const Provider& provider);

// "3 minutes": the largest unit of which there are more than two, as strongSwan says it.
std::string duration_text(std::chrono::seconds duration);

}  // namespace culvert::vici
