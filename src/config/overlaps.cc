// Owns the search for overlapping selectors: remote ranges in order of their first address, each
// compared with those before it that reach that far.
// Invariant: at most kMaxComparisons, however many tunnels there are; past that, silence.
#include "config/overlaps.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

namespace culvert::config {
namespace {

constexpr std::size_t kMaxComparisons = 4'000'000;

struct Claim {
  TrafficSelector remote;
  const ChildConfig* child;
  const Tunnel* tunnel;
  Position at;
};

std::vector<Claim> claims_of(std::span<const Tunnel> tunnels) {
  std::vector<Claim> claims;
  for (const Tunnel& tunnel : tunnels)
    for (std::size_t i = 0; i < tunnel.config.children.size(); ++i) {
      const ChildConfig& child = tunnel.config.children[i];
      for (const SelectorConfig& remote : child.remote)
        if (!remote.dynamic)
          claims.push_back({remote.selector, &child, &tunnel, tunnel.remote_at[i]});
    }
  std::ranges::sort(claims, {},
                    [](const Claim& claim) { return std::tuple(claim.remote.first, claim.at); });
  return claims;
}

enum class Overlap { none, partial, same };

Overlap compare(const SelectorConfig& a, const SelectorConfig& b) {
  if (a == b) return Overlap::same;
  if (a.dynamic || b.dynamic) return Overlap::none;
  return intersect(a.selector, b.selector) ? Overlap::partial : Overlap::none;
}

// The closest that any two of the local selectors come.
Overlap compare(const std::vector<SelectorConfig>& a, const std::vector<SelectorConfig>& b) {
  Overlap closest = Overlap::none;
  for (const SelectorConfig& one : a)
    for (const SelectorConfig& other : b) closest = std::max(closest, compare(one, other));
  return closest;
}

std::string owner_text(const Claim& claim, const Claim& seen_from) {
  const std::string child =
      claim.tunnel->config.children.size() > 1 ? " child " + in_quotes(claim.child->name) : "";
  if (claim.tunnel == seen_from.tunnel)
    return fmt::format("{} (line {})", child.substr(1), claim.at.line);
  return fmt::format("{}{} (line {})", claim.tunnel->table(), child, claim.at.line);
}

void report_pair(const Claim& a, const Claim& b, Report& report) {
  if (!intersect(a.remote, b.remote)) return;
  const Overlap local = compare(a.child->local, b.child->local);
  if (local == Overlap::none) return;
  const Claim& later = a.at < b.at ? b : a;
  const Claim& earlier = a.at < b.at ? a : b;
  if (a.remote == b.remote && local == Overlap::same)
    return report.error(
        later.at,
        fmt::format("{} sends traffic to {} that is already the traffic of {}",
                    later.tunnel->table(), to_string(later.remote), owner_text(earlier, later)),
        "give each tunnel networks of its own");
  report.warning(later.at, fmt::format("{} and its {} overlap with {} of {}", later.tunnel->table(),
                                       to_string(later.remote), to_string(earlier.remote),
                                       owner_text(earlier, later)));
}

}  // namespace

void check_overlaps(std::span<const Tunnel> tunnels, Report& report) {
  std::size_t comparisons = 0;
  std::vector<const Claim*> reaching;
  std::set<std::pair<const ChildConfig*, const ChildConfig*>> reported;
  const auto claims = claims_of(tunnels);
  for (const Claim& claim : claims) {
    std::erase_if(reaching,
                  [&](const Claim* other) { return other->remote.last < claim.remote.first; });
    comparisons += reaching.size();
    if (comparisons > kMaxComparisons) return;
    for (const Claim* other : reaching)
      if (other->child != claim.child &&
          reported.insert(std::minmax(other->child, claim.child)).second)
        report_pair(*other, claim, report);
    reaching.push_back(&claim);
  }
}

}  // namespace culvert::config
