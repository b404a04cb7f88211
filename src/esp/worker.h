// One data-plane worker: a thread that owns its SAs and policies and moves all packets.
// Its tables change only between two batches: whoever changes them holds `turn_`, which the worker
// holds for a batch. So a change costs no switch of threads, and a packet no lock.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>

#include "esp/inbound.h"
#include "esp/netlink.h"
#include "esp/outbound.h"

namespace culvert::esp {

struct WorkerOptions {
  std::uint32_t mark = 0;
  std::uint16_t nat_t_port = 0;
  bool adapt_mtu = true;  // the device's MTU follows what the SAs can carry
};

class Worker {
 public:
  // Everything named outlives the worker. The thread runs until the worker dies.
  Worker(const WorkerOptions& options, Tun& tun, std::vector<OuterSocket>& sockets,
         NoticeQueue& notices, Inbound::IkeSink ike_sink);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // From any thread: carries out the operation between two batches and returns its result.
  Result<> apply(SadOp&& op, std::shared_ptr<PairStatistics> statistics);

  const DropCounters& drops() const { return drops_; }
  const std::string& cipher_backend() const { return cipher_backend_; }
  // Inbound and outbound SAs.
  std::pair<std::size_t, std::size_t> sa_counts() const {
    return {inbound_count_, outbound_count_};
  }
  unsigned device_mtu() const { return device_mtu_; }

 private:
  void run();
  void watch(int epoll, int fd, std::uint32_t tag);
  void serve(std::uint32_t tag, TimePoint now);
  void let_guests_in();
  void read_device(TimePoint now);
  void read_socket(OuterSocket& socket, TimePoint now);
  void tick(TimePoint now);
  void adapt_device_mtu();
  OuterSockets choose_sockets() const;
  std::string interface_to(const IpAddress& destination);

  WorkerOptions options_;
  Tun& tun_;
  std::vector<OuterSocket>& sockets_;
  DropCounters drops_;
  CipherEngine engine_;
  std::string cipher_backend_;
  std::optional<Netlink> netlink_;  // opened when a policy asks for an interface
  Database database_;
  Inbound::IkeSink ike_sink_;
  Inbound inbound_;
  Outbound outbound_;
  ReceiveBatch batch_;
  Bytes device_buffer_;
  std::atomic<std::size_t> inbound_count_{0}, outbound_count_{0};
  std::atomic<unsigned> device_mtu_{0};

  FileDescriptor wake_;  // to end
  std::mutex turn_;
  std::atomic<int> guests_{0};  // threads that want the turn: the worker waits for them
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace culvert::esp
