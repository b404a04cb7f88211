// Invariant: every request is answered (NLM_F_ACK) before the next one leaves, so answers can't be
// mixed up.
#include "esp/netlink.h"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "esp/netlink_attributes.h"

namespace culvert::esp {
namespace {

constexpr std::uint8_t kProtocol = 201;  // marks our routes in listings ("proto 201")
constexpr std::size_t kBuffer = 32'768;

unsigned char family_number(Family family) { return family == Family::v4 ? AF_INET : AF_INET6; }

struct Request {
  alignas(nlmsghdr) char buffer[512] = {};
  nlmsghdr* header = mnl_nlmsg_put_header(buffer);

  Request(std::uint16_t type, std::uint16_t flags) {
    header->nlmsg_type = type;
    header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  }
  void put_address(std::uint16_t type, const IpAddress& address) {
    mnl_attr_put(header, type, address.size(), address.bytes().data());
  }
};

Route route_of(const nlmsghdr* message) {
  const auto* body = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
  const Family family = body->rtm_family == AF_INET ? Family::v4 : Family::v6;
  Route route;
  route.table = body->rtm_table;
  route.destination = Prefix::make(IpAddress::any(family), body->rtm_dst_len);
  if (body->rtm_type == RTN_THROW) route.kind = Route::Kind::throw_on;
  for_each_attribute(message, sizeof *body, [&](const nlattr* attribute) {
    if (mnl_attr_get_type(attribute) == RTA_TABLE) route.table = mnl_attr_get_u32(attribute);
    if (mnl_attr_get_type(attribute) == RTA_OIF) route.device = mnl_attr_get_u32(attribute);
    if (mnl_attr_get_type(attribute) == RTA_DST &&
        mnl_attr_get_payload_len(attribute) == route.destination.address.size())
      route.destination = Prefix::make(
          IpAddress::from_bytes({static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute)),
                                 mnl_attr_get_payload_len(attribute)}),
          body->rtm_dst_len);
  });
  return route;
}

// RFC 5549: an IPv4 prefix may lie behind an IPv6 next hop, and the other way round.
void put_gateway(Request& request, const Route& route) {
  if (route.gateway.family() == route.destination.address.family())
    return request.put_address(RTA_GATEWAY, route.gateway);
  Bytes via(sizeof(rtvia));
  const std::uint16_t family = family_number(route.gateway.family());
  std::memcpy(via.data(), &family, sizeof family);
  append(via, route.gateway.bytes());
  mnl_attr_put(request.header, RTA_VIA, via.size(), via.data());
}

int collect_next_hop(const nlmsghdr* message, void* context) {
  auto& found = *static_cast<std::optional<Netlink::NextHop>*>(context);
  if (message->nlmsg_type != RTM_NEWROUTE) return MNL_CB_OK;
  Netlink::NextHop hop;
  for_each_attribute(message, sizeof(rtmsg), [&](const nlattr* attribute) {
    const std::size_t size = mnl_attr_get_payload_len(attribute);
    if (mnl_attr_get_type(attribute) == RTA_OIF && size == 4)
      hop.device = mnl_attr_get_u32(attribute);
    if (mnl_attr_get_type(attribute) == RTA_GATEWAY && (size == 4 || size == 16))
      hop.gateway = IpAddress::from_bytes(
          {static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute)), size});
  });
  if (hop.device != 0) found = hop;
  return MNL_CB_OK;
}

struct Dump {
  std::uint32_t table;
  std::vector<Route> routes;
};

int collect(const nlmsghdr* message, void* context) {
  auto& dump = *static_cast<Dump*>(context);
  if (message->nlmsg_type == RTM_NEWROUTE)
    if (Route route = route_of(message); route.table == dump.table) dump.routes.push_back(route);
  return MNL_CB_OK;
}

int read_device(const nlmsghdr* message, void* context) {
  if (message->nlmsg_type == RTM_NEWROUTE)
    *static_cast<unsigned*>(context) = route_of(message).device;
  return MNL_CB_OK;
}

}  // namespace

void Netlink::Close::operator()(mnl_socket* socket) const { mnl_socket_close(socket); }

std::expected<Netlink, std::string> Netlink::open() {
  mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (!socket)
    return std::unexpected(fmt::format("cannot open a netlink socket: {}", std::strerror(errno)));
  Netlink result(socket);
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) != 0)
    return std::unexpected(fmt::format("cannot bind a netlink socket: {}", std::strerror(errno)));
  return result;
}

int Netlink::transact(nlmsghdr* request, int (*each)(const nlmsghdr*, void*), void* context) {
  request->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_.get(), request, request->nlmsg_len) < 0) return errno;
  alignas(nlmsghdr) char buffer[kBuffer];
  for (;;) {
    const ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer, sizeof buffer);
    if (size < 0) return errno;
    const int result = mnl_cb_run(buffer, static_cast<std::size_t>(size), sequence_,
                                  mnl_socket_get_portid(socket_.get()), each, context);
    if (result < 0) return errno;
    if (result == MNL_CB_STOP) return 0;
  }
}

int Netlink::change_route(std::uint16_t type, std::uint16_t flags, const Route& route) {
  Request request(type, flags);
  auto* body = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(request.header, sizeof(rtmsg)));
  const bool through = route.kind == Route::Kind::device;
  body->rtm_family = family_number(route.destination.address.family());
  body->rtm_dst_len = route.destination.length;
  body->rtm_table = RT_TABLE_UNSPEC;
  body->rtm_protocol = kProtocol;
  const bool on_link = through && route.gateway.is_none();
  body->rtm_scope = on_link && body->rtm_family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  body->rtm_type = through ? RTN_UNICAST : RTN_THROW;
  if (type == RTM_DELROUTE) body->rtm_scope = RT_SCOPE_NOWHERE;
  if (route.destination.length != 0) request.put_address(RTA_DST, route.destination.address);
  mnl_attr_put_u32(request.header, RTA_TABLE, route.table);
  if (through && route.device != 0) mnl_attr_put_u32(request.header, RTA_OIF, route.device);
  if (through && !route.gateway.is_none()) put_gateway(request, route);
  if (type == RTM_NEWROUTE && through && !route.source.is_none())
    request.put_address(RTA_PREFSRC, route.source);
  return transact(request.header);
}

int Netlink::replace_route(const Route& route) {
  return change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route);
}
int Netlink::delete_route(const Route& route) { return change_route(RTM_DELROUTE, 0, route); }

std::optional<Netlink::NextHop> Netlink::next_hop(const IpAddress& to, std::uint32_t mark) {
  Request request(RTM_GETROUTE, 0);
  auto* body = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(request.header, sizeof(rtmsg)));
  body->rtm_family = family_number(to.family());
  body->rtm_dst_len = static_cast<unsigned char>(to.bits());
  request.put_address(RTA_DST, to);
  mnl_attr_put_u32(request.header, RTA_MARK, mark);
  std::optional<NextHop> hop;
  if (transact(request.header, collect_next_hop, &hop) != 0) return std::nullopt;
  return hop;
}

int Netlink::change_rule(std::uint16_t type, std::uint16_t flags, const Rule& rule) {
  Request request(type, flags);
  auto* body =
      static_cast<fib_rule_hdr*>(mnl_nlmsg_put_extra_header(request.header, sizeof(fib_rule_hdr)));
  body->family = family_number(rule.family);
  body->action = FR_ACT_TO_TBL;
  body->flags = FIB_RULE_INVERT;
  mnl_attr_put_u32(request.header, FRA_TABLE, rule.table);
  mnl_attr_put_u32(request.header, FRA_PRIORITY, rule.priority);
  mnl_attr_put_u32(request.header, FRA_FWMARK, rule.mark);
  return transact(request.header);
}

int Netlink::add_rule(const Rule& rule) {
  return change_rule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule);
}
int Netlink::delete_rule(const Rule& rule) { return change_rule(RTM_DELRULE, 0, rule); }

std::string Netlink::interface_to(const IpAddress& destination, std::uint32_t mark) {
  Request request(RTM_GETROUTE, 0);
  request.header->nlmsg_flags = NLM_F_REQUEST;
  auto* body = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(request.header, sizeof(rtmsg)));
  body->rtm_family = family_number(destination.family());
  body->rtm_dst_len = static_cast<unsigned char>(destination.bits());
  request.put_address(RTA_DST, destination);
  mnl_attr_put_u32(request.header, RTA_MARK, mark);
  request.header->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_.get(), request.header, request.header->nlmsg_len) < 0) return {};
  alignas(nlmsghdr) char buffer[kBuffer];
  const ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer, sizeof buffer);
  unsigned index = 0;
  if (size < 0 || mnl_cb_run(buffer, static_cast<std::size_t>(size), sequence_,
                             mnl_socket_get_portid(socket_.get()), read_device, &index) < 0)
    return {};
  char name[IF_NAMESIZE];
  return index != 0 && if_indextoname(index, name) ? name : std::string();
}

void Netlink::flush_table(std::uint32_t table) {
  for (const Family family : {Family::v4, Family::v6}) {
    Request request(RTM_GETROUTE, NLM_F_DUMP);
    auto* body = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(request.header, sizeof(rtmsg)));
    body->rtm_family = family_number(family);
    request.header->nlmsg_seq = ++sequence_;
    if (mnl_socket_sendto(socket_.get(), request.header, request.header->nlmsg_len) < 0) continue;
    Dump dump{table, {}};
    alignas(nlmsghdr) char buffer[kBuffer];
    for (int result = MNL_CB_OK; result == MNL_CB_OK;) {
      const ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer, sizeof buffer);
      if (size < 0) break;
      result = mnl_cb_run(buffer, static_cast<std::size_t>(size), sequence_,
                          mnl_socket_get_portid(socket_.get()), collect, &dump);
    }
    for (const Route& route : dump.routes) delete_route(route);
  }
}

}  // namespace culvert::esp
