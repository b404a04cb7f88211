// What gateways have assigned to this machine, put into effect: addresses on a device, and name
// servers with systemd-resolved where it runs, else in resolv.conf.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/program.h"
#include "net/address.h"

struct mnl_socket;

namespace culvert::io {

struct AssignedSettings {
  std::vector<IpAddress> addresses;
  std::vector<IpAddress> dns;
  std::vector<std::string> domains;  // only names in these are asked of `dns`; none: all names
  bool operator==(const AssignedSettings&) const = default;
};

class Assigned {
 public:
  struct Options {
    std::string device = "lo";  // that gets the addresses; should be ours, so that they go with it
    std::string state_dir;      // remembers the addresses until they are removed; empty: nowhere
    std::string resolv_conf = "/etc/resolv.conf";
    std::string resolvectl = "/usr/bin/resolvectl";  // used where systemd-resolved runs
    std::string resolved = "/run/systemd/resolve";   // is there when it does
  };
  // What could not be done, as a sentence.
  using Complain = std::function<void(const std::string&)>;

  // Takes back what a process that was killed has left. The loop outlives this.
  Assigned(EventLoop& loop, Options options, Complain complain);
  // Takes back everything.
  ~Assigned();
  Assigned(const Assigned&) = delete;
  Assigned& operator=(const Assigned&) = delete;

  // In place of what the holder (an IKE SA) had. What several holders have is there once, and stays
  // until the last one has gone; what stays is not touched.
  void set(std::uint64_t holder, const AssignedSettings& settings);
  void remove(std::uint64_t holder) { set(holder, {}); }
  // Of all holders; what of them we have added ourselves.
  const std::vector<IpAddress>& own_addresses() const { return added_; }

 private:
  struct Close {
    void operator()(mnl_socket* socket) const;
  };
  // Zero, or the kernel's errno.
  int change_address(bool add, const IpAddress& address);
  void apply_addresses();
  void apply_names();
  void tell_resolved(const AssignedSettings& all);
  void run(std::string command);
  void save() const;
  bool uses_resolved() const;

  Options options_;
  Complain complain_;
  ProgramRunner runner_;
  std::unique_ptr<mnl_socket, Close> netlink_;
  std::uint32_t sequence_ = 0;
  std::map<std::uint64_t, AssignedSettings> holders_;
  std::vector<IpAddress> added_;
  std::vector<IpAddress> dns_;
  std::vector<std::string> domains_;
};

}  // namespace culvert::io
