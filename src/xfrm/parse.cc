// Invariant: every read is within the message that the caller gave.
#include "xfrm/parse.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <netinet/in.h>

#include "esp/netlink_attributes.h"
#include "xfrm/kernel_types.h"

namespace culvert::xfrm {
namespace {

using esp::for_each_attribute;

constexpr std::uint16_t kAckText = 1;  // NLMSGERR_ATTR_MSG

const nlmsghdr* header_of(ByteView message, std::size_t body) {
  const auto* header = reinterpret_cast<const nlmsghdr*>(message.data());
  if (message.size() < sizeof *header || header->nlmsg_len > message.size() ||
      header->nlmsg_len < mnl_nlmsg_size(body))
    return nullptr;
  return header;
}

template <class T>
std::optional<T> body_of(ByteView message) {
  const nlmsghdr* header = header_of(message, sizeof(T));
  if (!header) return std::nullopt;
  T body;
  std::memcpy(&body, mnl_nlmsg_get_payload(header), sizeof body);
  return body;
}

// The attribute of this type after a body of `body` octets, as a T.
template <class T>
std::optional<T> attribute_of(ByteView message, std::size_t body, unsigned type) {
  const auto* header = reinterpret_cast<const nlmsghdr*>(message.data());
  std::optional<T> value;
  for_each_attribute(header, body, [&](const nlattr* attribute) {
    if (mnl_attr_get_type(attribute) != type || mnl_attr_get_payload_len(attribute) < sizeof(T))
      return;
    std::memcpy(&value.emplace(), mnl_attr_get_payload(attribute), sizeof(T));
  });
  return value;
}

Mark mark_of(ByteView message, std::size_t body) {
  const auto mark = attribute_of<xfrm_mark>(message, body, XFRMA_MARK);
  return mark ? Mark{mark->v, mark->m} : Mark{};
}

std::optional<SaName> name_from(const xfrm_address_t& destination, unsigned family,
                                std::uint32_t spi, std::uint8_t protocol, const Mark& mark) {
  const IpAddress address = from_kernel(destination, family);
  if (address.is_none()) return std::nullopt;
  return SaName{address, ntohl(spi), protocol, mark};
}

std::optional<SaName> name_from(const xfrm_usersa_info& info, const Mark& mark) {
  return name_from(info.id.daddr, info.family, info.id.spi, info.id.proto, mark);
}
std::optional<SaName> name_from(const xfrm_usersa_id& id, const Mark& mark) {
  return name_from(id.daddr, id.family, id.spi, id.proto, mark);
}

std::optional<Selector> selector_from(const xfrm_selector& from) {
  const IpAddress source = from_kernel(from.saddr, from.family);
  const IpAddress destination = from_kernel(from.daddr, from.family);
  if (source.is_none() || from.prefixlen_s > source.bits() || from.prefixlen_d > source.bits())
    return std::nullopt;
  return Selector{Prefix::make(source, from.prefixlen_s),
                  Prefix::make(destination, from.prefixlen_d),
                  from.proto,
                  ntohs(from.sport),
                  ntohs(from.sport_mask),
                  ntohs(from.dport),
                  ntohs(from.dport_mask),
                  from.ifindex};
}

// One side of a packet. RFC 4301, 4.4.1.1: ICMP's type and code make one port, here of both sides.
TrafficSelector side_of(const IpAddress& address, std::uint8_t protocol, std::uint16_t port) {
  TrafficSelector side{address, address, protocol};
  if (protocol != 0) side.start_port = side.end_port = port;
  return side;
}

std::optional<Event> parse_acquire(ByteView message) {
  const auto body = body_of<xfrm_user_acquire>(message);
  if (!body) return std::nullopt;
  const auto policy = selector_from(body->policy.sel);
  const IpAddress local = from_kernel(body->sel.saddr, body->sel.family);
  const IpAddress remote = from_kernel(body->sel.daddr, body->sel.family);
  if (!policy || local.is_none()) return std::nullopt;
  AcquireEvent event;
  const Mark mark = mark_of(message, sizeof *body);
  event.key = {PolicyDirection::out, *policy, mark.value, mark.mask,
               attribute_of<std::uint32_t>(message, sizeof *body, XFRMA_IF_ID).value_or(0)};
  const std::uint8_t protocol = body->sel.proto;
  std::uint16_t source = ntohs(body->sel.sport), destination = ntohs(body->sel.dport);
  if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
    source = destination = static_cast<std::uint16_t>((source & 255) << 8 | (destination & 255));
  event.local = side_of(local, protocol, source);
  event.remote = side_of(remote, protocol, destination);
  return event;
}

std::optional<Event> parse_expire(ByteView message) {
  const auto body = body_of<xfrm_user_expire>(message);
  if (!body) return std::nullopt;
  const auto name = name_from(body->state, mark_of(message, sizeof *body));
  if (!name) return std::nullopt;
  return ExpireEvent{*name, body->hard != 0};
}

std::optional<Event> parse_mapping(ByteView message) {
  const auto body = body_of<xfrm_user_mapping>(message);
  if (!body) return std::nullopt;
  const auto name = name_from(body->id, {});
  if (!name) return std::nullopt;
  return MappingEvent{*name,
                      {from_kernel(body->new_saddr, body->id.family), ntohs(body->new_sport)}};
}

std::optional<Event> parse_replay(ByteView message) {
  const auto body = body_of<xfrm_aevent_id>(message);
  // Ours own changes are told, too.
  if (!body || (body->flags & XFRM_AE_CU) != 0) return std::nullopt;
  const auto name = name_from(body->sa_id, mark_of(message, sizeof *body));
  if (!name) return std::nullopt;
  return ReplayEvent{*name};
}

}  // namespace

std::optional<Ack> parse_ack(ByteView message) {
  const auto body = body_of<nlmsgerr>(message);
  const auto* header = reinterpret_cast<const nlmsghdr*>(message.data());
  if (!body || header->nlmsg_type != NLMSG_ERROR) return std::nullopt;
  Ack ack{header->nlmsg_seq, body->error < 0 ? -body->error : body->error, {}};
  if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return ack;
  // Where the request is not echoed, the attributes follow its header.
  std::size_t skip = sizeof *body;
  if ((header->nlmsg_flags & NLM_F_CAPPED) == 0 && body->msg.nlmsg_len > sizeof body->msg)
    skip += body->msg.nlmsg_len - sizeof body->msg;
  if (header_of(message, skip) == nullptr) return ack;
  for_each_attribute(header, skip, [&](const nlattr* attribute) {
    if (mnl_attr_get_type(attribute) != kAckText) return;
    ack.text.assign(static_cast<const char*>(mnl_attr_get_payload(attribute)),
                    mnl_attr_get_payload_len(attribute));
    ack.text = ack.text.substr(0, ack.text.find('\0'));
  });
  return ack;
}

std::optional<SaState> parse_sa(ByteView message) {
  const auto body = body_of<xfrm_usersa_info>(message);
  const auto* header = reinterpret_cast<const nlmsghdr*>(message.data());
  if (!body || header->nlmsg_type != XFRM_MSG_NEWSA) return std::nullopt;
  const auto name = name_from(*body, mark_of(message, sizeof *body));
  if (!name) return std::nullopt;
  return SaState{*name,
                 body->curlft.bytes,
                 body->curlft.packets,
                 attribute_of<std::uint64_t>(message, sizeof *body, XFRMA_LASTUSED).value_or(0),
                 body->stats.replay,
                 body->stats.integrity_failed,
                 body->lft.soft_byte_limit,
                 body->lft.soft_packet_limit,
                 body->lft.hard_add_expires_seconds == kOwnersAge};
}

std::optional<PolicyState> parse_policy(ByteView message) {
  const auto body = body_of<xfrm_userpolicy_info>(message);
  const auto* header = reinterpret_cast<const nlmsghdr*>(message.data());
  if (!body || header->nlmsg_type != XFRM_MSG_NEWPOLICY || body->dir > XFRM_POLICY_FWD)
    return std::nullopt;
  const auto selector = selector_from(body->sel);
  if (!selector) return std::nullopt;
  const Mark mark = mark_of(message, sizeof *body);
  return PolicyState{{static_cast<PolicyDirection>(body->dir), *selector, mark.value, mark.mask,
                      attribute_of<std::uint32_t>(message, sizeof *body, XFRMA_IF_ID).value_or(0)},
                     body->lft.hard_add_expires_seconds == kOwnersAge};
}

std::optional<Event> parse_event(ByteView message) {
  if (header_of(message, 0) == nullptr) return std::nullopt;
  switch (reinterpret_cast<const nlmsghdr*>(message.data())->nlmsg_type) {
    case XFRM_MSG_ACQUIRE:
      return parse_acquire(message);
    case XFRM_MSG_EXPIRE:
      return parse_expire(message);
    case XFRM_MSG_MAPPING:
      return parse_mapping(message);
    case XFRM_MSG_NEWAE:
      return parse_replay(message);
    default:
      return std::nullopt;
  }
}

}  // namespace culvert::xfrm
