// Owns the rtnetlink requests about XFRM interfaces (rtnetlink(7), linux/if_link.h).
#include "xfrm/interfaces.h"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>

#include "esp/netlink_attributes.h"
#include "xfrm/kernel_types.h"
#include "xfrm/refusals.h"

namespace culvert::xfrm {
namespace {

constexpr std::string_view kKind = "xfrm";

void add_link(Batch& batch, const XfrmInterface& interface) {
  batch.add(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, [&](nlmsghdr* message) {
    auto* link = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
    link->ifi_flags = link->ifi_change = IFF_UP;
    mnl_attr_put_strz(message, IFLA_IFNAME, interface.name.c_str());
    if (interface.mtu != 0) mnl_attr_put_u32(message, IFLA_MTU, interface.mtu);
    nlattr* info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    mnl_attr_put_strz(message, IFLA_INFO_KIND, kKind.data());
    nlattr* data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
    mnl_attr_put_u32(message, IFLA_XFRM_IF_ID, interface.if_id);
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, info);
  });
}

void delete_link(Batch& batch, unsigned index) {
  batch.add(RTM_DELLINK, 0, [&](nlmsghdr* message) {
    static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)))->ifi_index =
        static_cast<int>(index);
  });
}

void add_address(Batch& batch, unsigned index, const XfrmInterface::Address& address) {
  batch.add(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, [&](nlmsghdr* message) {
    auto* body = static_cast<ifaddrmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifaddrmsg)));
    body->ifa_family = static_cast<std::uint8_t>(family_number(address.address.family()));
    body->ifa_prefixlen = address.length;
    body->ifa_flags = IFA_F_NODAD;  // nobody else is on this link
    body->ifa_index = index;
    for (const std::uint16_t type : {IFA_LOCAL, IFA_ADDRESS})
      mnl_attr_put(message, type, address.address.size(), address.address.bytes().data());
  });
}

const nlattr* nested(const nlattr* outer, std::uint16_t type) {
  const auto* at = static_cast<const nlattr*>(mnl_attr_get_payload(outer));
  const auto* end = reinterpret_cast<const char*>(at) + mnl_attr_get_payload_len(outer);
  for (; mnl_attr_ok(at, static_cast<int>(end - reinterpret_cast<const char*>(at)));
       at = mnl_attr_next(at))
    if (mnl_attr_get_type(at) == type) return at;
  return nullptr;
}

// Whether an IFLA_LINKINFO is that of an XFRM interface with a number that Culvert chose.
bool is_ours(const nlattr* info) {
  const nlattr* kind = nested(info, IFLA_INFO_KIND);
  if (!kind || mnl_attr_validate(kind, MNL_TYPE_NUL_STRING) < 0 || mnl_attr_get_str(kind) != kKind)
    return false;
  const nlattr* data = nested(info, IFLA_INFO_DATA);
  const nlattr* number = data ? nested(data, IFLA_XFRM_IF_ID) : nullptr;
  if (!number || mnl_attr_validate(number, MNL_TYPE_U32) < 0) return false;
  const std::uint32_t value = mnl_attr_get_u32(number);
  return value >= XfrmInterface::kFirstNumber && value <= XfrmInterface::kLastNumber;
}

}  // namespace

Interfaces::~Interfaces() {
  for (const auto& [number, made] : made_) remove(made.index);
}

void Interfaces::remove(unsigned index) {
  Batch batch;
  delete_link(batch, index);
  routing_.transact(batch);  // who deleted it before us has done no harm
}

std::size_t Interfaces::remove_leftovers() {
  Batch question, deletions;
  question.add(RTM_GETLINK, NLM_F_DUMP,
               [](nlmsghdr* message) { mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)); });
  routing_.transact(question, [&](std::size_t, ByteView answer) {
    const auto* message = reinterpret_cast<const nlmsghdr*>(answer.data());
    if (message->nlmsg_type != RTM_NEWLINK || answer.size() < mnl_nlmsg_size(sizeof(ifinfomsg)))
      return;
    const auto* link = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    esp::for_each_attribute(message, sizeof *link, [&](const nlattr* attribute) {
      if (mnl_attr_get_type(attribute) == IFLA_LINKINFO && is_ours(attribute))
        delete_link(deletions, static_cast<unsigned>(link->ifi_index));
    });
  });
  routing_.transact(deletions);
  return deletions.size();
}

std::expected<void, std::string> Interfaces::make(const XfrmInterface& interface) {
  Batch batch;
  add_link(batch, interface);
  const std::string what = fmt::format("the XFRM interface {}", interface.name);
  const Ack made = routing_.transact(batch)[0];
  if (made.error == EEXIST)
    return std::unexpected(
        fmt::format("there is an interface {} already, or one with the number {}, which culvertd "
                    "did not make; choose another name",
                    interface.name, interface.if_id));
  if (made.error == EOPNOTSUPP)
    return std::unexpected(
        fmt::format("this kernel has no XFRM interfaces, so there is no {}; "
                    "load its module xfrm_interface, or leave it out",
                    interface.name));
  if (made.error != 0) return std::unexpected(refusal_sentence(what, made));
  const unsigned index = if_nametoindex(interface.name.c_str());
  made_[interface.if_id] = {interface, index};
  Batch addresses;
  for (const auto& address : interface.addresses) add_address(addresses, index, address);
  for (const Ack& ack : routing_.transact(addresses))
    if (ack.error != 0) return std::unexpected(refusal_sentence("an address of " + what, ack));
  return {};
}

std::expected<void, std::string> Interfaces::set(const std::vector<XfrmInterface>& wanted) {
  std::erase_if(made_, [&](const auto& entry) {
    const bool stays = std::ranges::find(wanted, entry.second.interface) != wanted.end();
    if (!stays) remove(entry.second.index);
    return !stays;
  });
  for (const XfrmInterface& interface : wanted)
    if (!made_.contains(interface.if_id)) CHECK_OK(make(interface));
  return {};
}

unsigned Interfaces::routed(std::uint32_t if_id) const {
  const auto found = made_.find(if_id);
  return found != made_.end() && found->second.interface.routes ? found->second.index : 0;
}

}  // namespace culvert::xfrm
