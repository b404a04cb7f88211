// Requests about the SPD.
#include <arpa/inet.h>
#include <libmnl/libmnl.h>

#include "xfrm/kernel_types.h"
#include "xfrm/messages.h"

namespace culvert::xfrm {
namespace {

constexpr std::size_t kMaxTemplates = 6;  // the kernel's XFRM_MAX_DEPTH

xfrm_selector kernel_selector(const Selector& from) {
  xfrm_selector to{};
  to.family = family_number(from.source.address.family());
  to.saddr = to_kernel(from.source.address);
  to.daddr = to_kernel(from.destination.address);
  to.prefixlen_s = from.source.length;
  to.prefixlen_d = from.destination.length;
  to.proto = from.protocol;
  to.sport = htons(from.source_port);
  to.sport_mask = htons(from.source_mask);
  to.dport = htons(from.destination_port);
  to.dport_mask = htons(from.destination_mask);
  to.ifindex = from.interface;
  return to;
}

xfrm_user_tmpl kernel_template(const Template& from) {
  xfrm_user_tmpl to{};
  // In transport mode the packet's own addresses are the SA's.
  if (from.mode != Mode::transport) {
    to.saddr = to_kernel(from.source);
    to.id.daddr = to_kernel(from.destination);
  }
  to.id.spi = htonl(from.spi);
  to.id.proto = from.protocol;
  to.family = family_number(from.family);
  to.reqid = from.reqid;
  to.mode = from.mode == Mode::transport ? XFRM_MODE_TRANSPORT
            : from.mode == Mode::beet    ? XFRM_MODE_BEET
                                         : XFRM_MODE_TUNNEL;
  to.optional = from.optional ? 1 : 0;
  to.aalgos = to.ealgos = to.calgos = ~0u;
  return to;
}

// The selector does not say everything: the kernel tells policies apart by these as well.
void put_key(nlmsghdr* message, const PolicyKey& key) {
  if (key.mark_mask != 0) {
    const xfrm_mark mark{key.mark, key.mark_mask};
    mnl_attr_put(message, XFRMA_MARK, sizeof mark, &mark);
  }
  if (key.if_id != 0) mnl_attr_put_u32(message, XFRMA_IF_ID, key.if_id);
}

}  // namespace

void put_policy(Batch& batch, const PolicyKey& key, const PolicyBody& body) {
  // UPDPOLICY adds what is not there.
  batch.add(XFRM_MSG_UPDPOLICY, NLM_F_REPLACE, [&](nlmsghdr* message) {
    xfrm_userpolicy_info info{};
    info.sel = kernel_selector(key.selector);
    info.lft.soft_byte_limit = info.lft.hard_byte_limit = XFRM_INF;
    info.lft.soft_packet_limit = info.lft.hard_packet_limit = XFRM_INF;
    info.lft.hard_add_expires_seconds = kOwnersAge;
    info.priority = body.priority;
    info.dir = static_cast<std::uint8_t>(key.direction);
    info.action = body.block ? XFRM_POLICY_BLOCK : XFRM_POLICY_ALLOW;
    put_body(message, info);
    xfrm_user_tmpl templates[kMaxTemplates];
    std::size_t count = 0;
    for (const Template& one : body.templates)
      if (count < kMaxTemplates) templates[count++] = kernel_template(one);
    if (count != 0) mnl_attr_put(message, XFRMA_TMPL, count * sizeof templates[0], templates);
    put_key(message, key);
  });
}

void delete_policy(Batch& batch, const PolicyKey& key) {
  batch.add(XFRM_MSG_DELPOLICY, 0, [&](nlmsghdr* message) {
    xfrm_userpolicy_id id{};
    id.sel = kernel_selector(key.selector);
    id.dir = static_cast<std::uint8_t>(key.direction);
    put_body(message, id);
    put_key(message, key);
  });
}

void dump_policies(Batch& batch) {
  batch.add(XFRM_MSG_GETPOLICY, NLM_F_DUMP, [](nlmsghdr*) {});
}

}  // namespace culvert::xfrm
