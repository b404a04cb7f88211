#include "cli/subcommand.h"

#include <fmt/format.h>

#include <cstdio>

#include "cli/json.h"
#include "cli/text.h"

namespace culvert::cli {

int finish(const Options& options, const Outcome<>& outcome) {
  if (outcome) return 0;
  if (options.json) {
    vici::Message message;
    message.add("success", "no").add("errmsg", outcome.error());
    fmt::print("{}\n", to_json(message));
  } else {
    fmt::print(stderr, "culvert: {}\n", printable(outcome.error()));
  }
  return 1;
}

}  // namespace culvert::cli
