// Tells when the machine's addresses or routes change (rtnetlink(7)), a moment after the first of a
// burst of changes, and knows the addresses that peers may send to.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/event_loop.h"
#include "net/address.h"

struct mnl_socket;
struct nlmsghdr;

namespace culvert::io {

class NetworkWatch {
 public:
  struct Options {
    std::vector<std::string> own_devices;  // not looked at: their changes are our own
    std::uint32_t own_table = 0;           // of routes; likewise
    Duration delay = std::chrono::milliseconds(100);
  };
  using Changed = std::function<void(const std::vector<IpAddress>&)>;

  // The loop outlives the watch; `changed` is called on its thread, also once after start().
  NetworkWatch(EventLoop& loop, Options options, Changed changed);
  ~NetworkWatch();

  // The error is a sentence.
  std::expected<void, std::string> start();

  // Other devices from now on.
  void ignore(std::vector<std::string> own_devices);

  // Of interfaces that are up, without loopback and link-local ones; sorted. As of the last change.
  const std::vector<IpAddress>& addresses() const { return addresses_; }

 private:
  struct Close {
    void operator()(mnl_socket* socket) const;
  };
  void on_readable();
  bool matters(const nlmsghdr& message) const;
  void schedule();
  void reread();

  EventLoop& loop_;
  Options options_;
  Changed changed_;
  std::unique_ptr<mnl_socket, Close> socket_;
  std::unique_ptr<ReadableWatch> readable_;
  Timer timer_;
  bool scheduled_ = false;
  std::vector<IpAddress> addresses_;
};

}  // namespace culvert::io
