// Invariant: added_ are the addresses that we put on the device and that are not removed yet; the
// state directory has the same list.
#include "io/assigned.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "io/resolv_conf.h"
#include "policy/pool.h"

namespace culvert::io {
namespace {

constexpr const char* kList = "/assigned-addresses";

template <class T>
bool contains(const std::vector<T>& all, const T& one) {
  return std::ranges::find(all, one) != all.end();
}

template <class T>
void merge(const std::vector<T>& from, std::vector<T>& to) {
  for (const T& one : from)
    if (!contains(to, one)) to.push_back(one);
}

// Of all holders. One without domains wants every name asked.
AssignedSettings sum_of(const std::map<std::uint64_t, AssignedSettings>& holders) {
  AssignedSettings sum;
  bool every_name = false;
  for (const auto& [holder, one] : holders) {
    merge(one.addresses, sum.addresses);
    merge(one.dns, sum.dns);
    for (const std::string& domain : one.domains)  // a gateway says them, and a shell gets them
      if (is_domain(domain) && !contains(sum.domains, domain)) sum.domains.push_back(domain);
    every_name |= !one.dns.empty() && one.domains.empty();
  }
  if (every_name) sum.domains.clear();
  return sum;
}

}  // namespace

void Assigned::Close::operator()(mnl_socket* socket) const { mnl_socket_close(socket); }

Assigned::Assigned(EventLoop& loop, Options options, Complain complain)
    : options_(std::move(options)),
      complain_(std::move(complain)),
      runner_(loop, {}),
      netlink_(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)) {
  if (netlink_ && mnl_socket_bind(netlink_.get(), 0, MNL_SOCKET_AUTOPID) != 0) netlink_.reset();
  std::ifstream list(options_.state_dir + kList);
  for (std::string line; !options_.state_dir.empty() && std::getline(list, line);)
    if (const auto address = IpAddress::parse(line)) change_address(false, *address);
  save();
  // Where nothing of ours stands in the file, it stays as it is.
  if (!uses_resolved()) (void)set_name_servers(options_.resolv_conf, {});
}

Assigned::~Assigned() {
  holders_.clear();
  apply_addresses();
  if (!dns_.empty() && uses_resolved())  // the loop does not turn any more
    (void)std::system(fmt::format("{} revert {}", options_.resolvectl, options_.device).c_str());
  else if (!dns_.empty())
    (void)set_name_servers(options_.resolv_conf, {});
}

void Assigned::set(std::uint64_t holder, const AssignedSettings& settings) {
  if (settings == AssignedSettings{})
    holders_.erase(holder);
  else
    holders_.insert_or_assign(holder, settings);
  apply_addresses();
  apply_names();
}

int Assigned::change_address(bool add, const IpAddress& address) {
  if (!netlink_) return EPROTONOSUPPORT;
  alignas(nlmsghdr) char buffer[256] = {};
  nlmsghdr* header = mnl_nlmsg_put_header(buffer);
  header->nlmsg_type = add ? RTM_NEWADDR : RTM_DELADDR;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  if (add) header->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
  header->nlmsg_seq = ++sequence_;
  auto* body = static_cast<ifaddrmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(ifaddrmsg)));
  body->ifa_family = address.is_v4() ? AF_INET : AF_INET6;
  body->ifa_prefixlen = static_cast<std::uint8_t>(address.bits());
  body->ifa_flags = IFA_F_NODAD;  // it is nobody else's: usable at once
  body->ifa_index = if_nametoindex(options_.device.c_str());
  for (const std::uint16_t type : {IFA_LOCAL, IFA_ADDRESS})
    mnl_attr_put(header, type, address.size(), address.bytes().data());
  if (mnl_socket_sendto(netlink_.get(), header, header->nlmsg_len) < 0) return errno;
  alignas(nlmsghdr) char answer[1'024];
  const ssize_t size = mnl_socket_recvfrom(netlink_.get(), answer, sizeof answer);
  if (size < 0) return errno;
  const unsigned port = mnl_socket_get_portid(netlink_.get());
  return mnl_cb_run(answer, static_cast<std::size_t>(size), sequence_, port, nullptr, nullptr) < 0
             ? errno
             : 0;
}

void Assigned::apply_addresses() {
  const std::vector<IpAddress> wanted = sum_of(holders_).addresses;
  const std::vector<IpAddress> before = added_;
  for (const IpAddress& address : wanted) {
    if (contains(added_, address)) continue;
    const int error = change_address(true, address);
    if (error == 0) added_.push_back(address);
    // EEXIST: somebody has put it there already, and may remove it.
    if (error != 0 && error != EEXIST)
      complain_(fmt::format("cannot add the address {} to {}: {}", address.to_string(),
                            options_.device, std::strerror(error)));
  }
  std::erase_if(added_, [&](const IpAddress& address) {
    return !contains(wanted, address) && (change_address(false, address), true);
  });
  if (added_ != before) save();
}

void Assigned::apply_names() {
  AssignedSettings all = sum_of(holders_);
  if (all.dns == dns_ && all.domains == domains_) return;
  dns_ = all.dns;
  domains_ = all.domains;
  if (uses_resolved()) return tell_resolved(all);
  if (const auto set = set_name_servers(options_.resolv_conf, dns_); !set) complain_(set.error());
}

// In the order of the calls: they are of one lane.
void Assigned::tell_resolved(const AssignedSettings& all) {
  if (all.dns.empty()) return run(fmt::format("revert {}", options_.device));
  std::string servers, domains;
  for (const IpAddress& server : all.dns) servers += " " + server.to_string();
  // "~": for names in it, and not to be appended to names; "~.": for all names.
  for (const std::string& domain : all.domains) domains += fmt::format(" '~{}'", domain);
  run(fmt::format("dns {}{}", options_.device, servers));
  run(fmt::format("domain {}{}", options_.device, domains.empty() ? " '~.'" : domains));
}

void Assigned::run(std::string command) {
  Program program;
  program.command = fmt::format("exec {} {}", options_.resolvectl, command);
  program.on_line = [](const std::string&) {};
  program.on_end = [this, command](const std::string& outcome) {
    if (!outcome.empty()) complain_(fmt::format("resolvectl {} {}", command, outcome));
  };
  runner_.run(0, std::move(program));
}

// Atomic: whoever starts after a crash reads the old list or the new one.
void Assigned::save() const {
  if (options_.state_dir.empty()) return;
  const std::string path = options_.state_dir + kList, next = path + ".new";
  if (added_.empty()) {
    ::unlink(path.c_str());
    return;
  }
  std::ofstream file(next, std::ios::trunc);
  for (const IpAddress& address : added_) file << address.to_string() << '\n';
  file.close();
  if (file.fail() || std::rename(next.c_str(), path.c_str()) != 0)
    complain_(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
}

bool Assigned::uses_resolved() const {
  return options_.device != "lo" && ::access(options_.resolved.c_str(), F_OK) == 0 &&
         ::access(options_.resolvectl.c_str(), X_OK) == 0;
}

}  // namespace culvert::io
