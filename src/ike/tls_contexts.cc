// Bounded: starts anew when full, which takes as many credentials of ours.
#include "ike/tls_contexts.h"

#include <utility>

namespace culvert {
namespace {

constexpr std::size_t kMostKnown = 64;

}  // namespace

Result<std::shared_ptr<const tls::Context>> TlsContexts::get(std::vector<Bytes> chain,
                                                             std::vector<Bytes> authorities) {
  Key key{std::move(chain), std::move(authorities)};
  if (const auto found = known_.find(key); found != known_.end()) return found->second;
  auto made =
      TRY(tls::Context::make({.credential = {key.first, nullptr}, .authorities = key.second}));
  if (known_.size() >= kMostKnown) known_.clear();
  known_.emplace(std::move(key), made);
  return made;
}

}  // namespace culvert
