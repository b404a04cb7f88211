// Log events of the daemon as lines, its messages as a ladder.
#pragma once

#include <chrono>
#include <string>

#include "control/vici_message.h"

namespace culvert::cli {

// A control-log event while a command runs: "  0.004 s  --> IKE_SA_INIT request 0: SA KE(X25519)
// …".
std::string ladder_line(const vici::Message& event, std::chrono::milliseconds since_start);
// A log event as `culvert log` prints it: "12:00:01 IKE branch[7] established between …".
std::string log_line(const vici::Message& event, std::chrono::sys_seconds now, bool colours);
// strongSwan's number of the event: 1 is for operators.
unsigned level_of(const vici::Message& event);

// The answer to `why`, in one line.
std::string why_text(const vici::Message& answer);

}  // namespace culvert::cli
