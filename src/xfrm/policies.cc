// Invariant: traffic that a policy protects is never let through in clear, in no direction.
#include "xfrm/policies.h"

namespace culvert::xfrm {
namespace {

Family outer_family(const InstallPolicy& op, const PolicyTarget& target) {
  if (!target.remote.is_none()) return target.remote.family();
  return op.remote_ts.empty() ? Family::v4 : op.remote_ts[0].first.family();
}

// From the outside in, as the kernel applies them to outbound packets.
std::vector<Template> templates_of(const InstallPolicy& op, const PolicyTarget& target,
                                   PolicyDirection direction) {
  if (op.mode == Mode::pass || op.mode == Mode::drop) return {};
  const bool out = direction == PolicyDirection::out;
  Template one;
  one.family = outer_family(op, target);
  one.source = out ? target.local : target.remote;
  one.destination = out ? target.remote : target.local;
  one.mode = op.mode;
  one.reqid = target.reqid;
  std::vector<Template> templates;
  if (target.ipcomp) {
    one.protocol = kIpcomp;
    one.spi = out ? target.cpi_out : 0;
    // RFC 3173, 2.2: what does not get smaller comes uncompressed.
    one.optional = !out;
    templates.push_back(one);
    one.optional = false;
    one.mode = Mode::transport;
  }
  one.protocol = static_cast<std::uint8_t>(op.protocol);
  // On the way out exactly this SA, so that a rekey switches when the shard says so.
  one.spi = out ? target.spi_out : 0;
  templates.push_back(one);
  return templates;
}

}  // namespace

std::expected<std::vector<WantedPolicy>, std::string> kernel_policies(const InstallPolicy& op,
                                                                      const PolicyTarget& target,
                                                                      int interface) {
  auto selectors = TRY(selectors_of(op.local_ts, op.remote_ts));
  std::vector<WantedPolicy> wanted;
  for (const PolicyDirection direction :
       {PolicyDirection::in, PolicyDirection::fwd, PolicyDirection::out}) {
    // What transport mode protects is never forwarded.
    if (direction == PolicyDirection::fwd && op.mode == Mode::transport) continue;
    const bool out = direction == PolicyDirection::out;
    const Mark& mark = out ? op.mark_out : op.mark_in;
    const auto templates = templates_of(op, target, direction);
    for (const Selector& selector : selectors) {
      PolicyKey key{direction, out ? selector : selector.reversed(), mark.value, mark.mask,
                    out ? op.if_id_out : op.if_id_in};
      key.selector.interface = interface;
      wanted.push_back(
          {key, {kernel_priority(selector, op.priority), op.mode == Mode::drop, templates}});
    }
  }
  return wanted;
}

}  // namespace culvert::xfrm
