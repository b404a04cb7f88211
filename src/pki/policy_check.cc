#include "pki/policy_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace culvert::pki {
namespace {

constexpr std::string_view kAnyPolicy = "2.5.29.32.0";

using Policies = std::optional<std::set<std::string>>;  // none: any policy

// What is valid after one more certificate.
Policies narrowed(const Policies& valid, const Certificate& certificate, bool any_allowed) {
  std::set<std::string> named(certificate.policies.begin(), certificate.policies.end());
  const bool any = named.erase(std::string(kAnyPolicy)) != 0 && any_allowed;
  if (any) return valid;
  if (!valid) return named;
  std::set<std::string> both;
  std::ranges::set_intersection(*valid, named, std::inserter(both, both.end()));
  return both;
}

void count_down(std::uint32_t& counter) {
  if (counter != 0) --counter;
}

}  // namespace

std::optional<PathFailure> check_policies(std::span<const CertificateRef> chain,
                                          const std::vector<std::string>& wanted) {
  // RFC 5280, 6.1.2 (d) and (e); the trusted CA itself is not processed.
  const auto length = static_cast<std::uint32_t>(chain.size());
  std::uint32_t explicit_policy = wanted.empty() ? length : 0, inhibit_any = length;
  Policies valid;
  for (std::size_t i = chain.size() - 1; i-- > 0;) {
    const Certificate& certificate = *chain[i];
    const bool middle = i != 0 && certificate.is_self_issued();
    valid = narrowed(valid, certificate, inhibit_any > 0 || middle);
    if (!middle) {
      count_down(explicit_policy);
      count_down(inhibit_any);
    }
    if (certificate.require_explicit_policy)
      explicit_policy = std::min(explicit_policy, *certificate.require_explicit_policy);
    if (certificate.inhibit_any_policy)
      inhibit_any = std::min(inhibit_any, *certificate.inhibit_any_policy);
    if (explicit_policy == 0 && valid && valid->empty())
      return PathFailure{PathProblem::policy, chain[i], "no policy is valid for its whole path"};
  }
  const auto is_valid = [&valid](const std::string& oid) { return !valid || valid->contains(oid); };
  if (wanted.empty() || std::ranges::any_of(wanted, is_valid)) return std::nullopt;
  return PathFailure{PathProblem::policy, chain[0],
                     fmt::format("none of {} is valid for its path", fmt::join(wanted, ", "))};
}

}  // namespace culvert::pki
