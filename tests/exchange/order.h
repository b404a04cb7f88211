// Every order in which the messages of two sides can be delivered, one after the other.
#pragma once

#include <vector>

namespace culvert::exchange_test {

// Which side's next message is delivered, step by step; after the script, the first side's. A run
// appends the steps that the script lacks, and says at each whether there was a choice.
struct Order {
  std::vector<bool> choices;   // true: the message from b
  std::vector<bool> was_open;  // whether there was a choice at that step

  // The next order in depth-first sequence; false when all have been seen.
  bool advance();
};

}  // namespace culvert::exchange_test
