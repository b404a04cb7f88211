#include "tests/exchange/order.h"

namespace culvert::exchange_test {

bool Order::advance() {
  choices.resize(was_open.size());
  while (!choices.empty()) {
    const std::size_t last = choices.size() - 1;
    if (was_open[last] && !choices[last]) {
      choices[last] = true;
      was_open.clear();
      return true;
    }
    choices.pop_back();
    was_open.pop_back();
  }
  return false;
}

}  // namespace culvert::exchange_test
