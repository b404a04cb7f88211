// The few rtnetlink requests that the plane needs (rtnetlink(7)), each a function that waits for
// the kernel's answer.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/address.h"

struct mnl_socket;
struct nlmsghdr;

namespace culvert::esp {

struct Route {
  enum class Kind : std::uint8_t { device, throw_on };  // through the device; on to the next rule
  Prefix destination;
  std::uint32_t table = 0;
  Kind kind = Kind::device;
  unsigned device = 0;  // interface index
  IpAddress source;     // preferred source; none: the kernel's choice
  IpAddress gateway;    // none: the destination is on the link
};

struct Rule {  // "not fwmark MARK lookup TABLE"
  Family family = Family::v4;
  std::uint32_t mark = 0, table = 0, priority = 0;
};

class Netlink {
 public:
  static std::expected<Netlink, std::string> open();

  // How packets with this mark get to `to`; nullopt: not at all.
  struct NextHop {
    unsigned device = 0;
    IpAddress gateway;
  };
  std::optional<NextHop> next_hop(const IpAddress& to, std::uint32_t mark);
  // These give zero, or the kernel's errno.
  int replace_route(const Route& route);
  int delete_route(const Route& route);
  int add_rule(const Rule& rule);
  int delete_rule(const Rule& rule);
  // The name of the interface that packets with `mark` leave by; empty when there is no route.
  std::string interface_to(const IpAddress& destination, std::uint32_t mark);
  // Removes every route of a table, in both families.
  void flush_table(std::uint32_t table);

 private:
  struct Close {
    void operator()(mnl_socket* socket) const;
  };
  explicit Netlink(mnl_socket* socket) : socket_(socket) {}
  int transact(nlmsghdr* request, int (*each)(const nlmsghdr*, void*) = nullptr,
               void* context = nullptr);
  int change_route(std::uint16_t type, std::uint16_t flags, const Route& route);
  int change_rule(std::uint16_t type, std::uint16_t flags, const Rule& rule);

  std::unique_ptr<mnl_socket, Close> socket_;
  std::uint32_t sequence_ = 0;
};

}  // namespace culvert::esp
