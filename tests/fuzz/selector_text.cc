// links: policy
// What is parsed prints as text that parses to the same selector or address pattern.
#include <cstdlib>

#include "policy/connection.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace culvert;
  const auto text = as_text({data, size});
  if (const auto selector = parse_selector(text)) {
    if (parse_selector(to_string(*selector)) != selector) std::abort();
    if (!selector->dynamic && !selector->selector.contains(selector->selector)) std::abort();
  }
  if (const auto pattern = parse_address_pattern(text))
    if (parse_address_pattern(to_string(*pattern)) != pattern) std::abort();
  return 0;
}
