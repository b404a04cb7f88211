// Going through a netlink message's attributes; libmnl's macro for it is C only.
#pragma once

#include <libmnl/libmnl.h>

namespace culvert::esp {

// Calls f(const nlattr*) for each whole attribute after a body of `body` octets.
template <class F>
void for_each_attribute(const nlmsghdr* message, std::size_t body, F&& f) {
  const auto* tail = static_cast<const char*>(mnl_nlmsg_get_payload_tail(message));
  const auto* attribute = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, body));
  for (; mnl_attr_ok(attribute, static_cast<int>(tail - reinterpret_cast<const char*>(attribute)));
       attribute = mnl_attr_next(attribute))
    f(attribute);
}

}  // namespace culvert::esp
