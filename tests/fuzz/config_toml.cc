// links: config
// Any text is either a configuration or has at least one diagnostic with a place in it.
#include <cstdlib>

#include "config/load.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = culvert::as_text({data, size});
  const auto result = culvert::config::load_text(text, "/nonexistent/culvert.toml");
  if (result) return 0;
  if (result.error().empty()) std::abort();
  for (const auto& diagnostic : result.error())
    if (diagnostic.line == 0 || diagnostic.column == 0) std::abort();
  return 0;
}
