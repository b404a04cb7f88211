// The plane's network side: UDP sockets of the IKE ports and raw sockets, received from and sent to
// in batches, with UDP's segmentation offloads both ways.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "esp/file_descriptor.h"
#include "net/datagram.h"

namespace culvert::esp {

// In front of an IKE message on the port that it shares with ESP: octets of zero (RFC 3948, 2.2).
inline constexpr std::size_t kNonEspMarker = 4;

class OuterSocket {
 public:
  enum class Kind : std::uint8_t {
    udp,
    raw_esp,
    raw_ah,
    raw_ip  // sends whole packets, headers included, and receives nothing
  };
  // Binds to any address of `family` (`port` counts for UDP; 0: any free one). The error is a
  // sentence; `no_family` tells that the host lacks the family.
  static std::expected<OuterSocket, std::string> open(Kind kind, Family family, std::uint16_t port,
                                                      std::uint32_t mark, bool& no_family);

  int fd() const { return fd_.get(); }
  Kind kind() const { return kind_; }
  Family family() const { return family_; }
  std::uint16_t port() const { return port_; }
  bool gro() const { return gro_; }
  // Cleared for good when the kernel says that a device can't segment (EIO).
  bool segments() const { return segments_->load(std::memory_order_relaxed); }
  void stop_segmenting() { segments_->store(false, std::memory_order_relaxed); }
  // Whether IPv4 packets that fit the path leave with DF set; from the sending worker.
  void set_dont_fragment(bool wanted);

 private:
  OuterSocket(FileDescriptor fd, Kind kind, Family family, std::uint16_t port)
      : fd_(std::move(fd)), kind_(kind), family_(family), port_(port) {}
  std::string set_options(std::uint32_t mark);
  bool tell_of_packets();

  FileDescriptor fd_;
  Kind kind_;
  Family family_;
  std::uint16_t port_;
  bool gro_ = false;
  bool dont_fragment_ = true;
  std::unique_ptr<std::atomic<bool>> segments_ = std::make_unique<std::atomic<bool>>(false);
};

// One received buffer: one datagram, or several of `segment` octets each (the last may be shorter).
struct Received {
  MutableBytes data;  // for raw sockets from the ESP header or AH on
  Endpoint local, remote;
  std::uint8_t traffic_class = 0;
  std::size_t segment = 0;
  // Of raw sockets, what stands in front of `data`: IPv4's header; for AH over IPv6 a header made
  // from what the kernel tells, flow label and hop limit left out, and the extension headers.
  ByteView headers;
};

class ReceiveBatch {
 public:
  static constexpr std::size_t kMessages = 16;
  static constexpr std::size_t kBufferSize = 65'536;

  ReceiveBatch();
  // What one recvmmsg() brought; valid until the next call. Empty: nothing there.
  std::span<Received> receive(OuterSocket& socket);

 private:
  static constexpr std::size_t kMaxHeaders = 320;
  struct Control {
    alignas(cmsghdr) std::uint8_t octets[512];
  };
  struct Headers {
    std::uint8_t octets[kMaxHeaders];
    std::size_t extensions = 0;  // octets behind the place of the IPv6 header
  };
  bool describe(const OuterSocket& socket, std::size_t index, Received& received);
  static void read_control(const cmsghdr& control, Received& received);
  bool find_headers(const OuterSocket& socket, std::size_t index, Received& received);
  bool collect_extensions(std::size_t index);

  std::unique_ptr<std::uint8_t[]> buffers_;
  std::vector<mmsghdr> messages_;
  std::vector<iovec> pieces_;
  std::vector<sockaddr_storage> names_;
  std::vector<Control> controls_;
  std::vector<Headers> headers_;
  std::vector<Received> received_;
};

// A train to send: datagrams of `segment` octets each, the last may be shorter.
struct Outgoing {
  OuterSocket* socket = nullptr;
  Endpoint local, remote;
  std::uint8_t traffic_class = 0;
  ByteView data;
  std::size_t segment = 0;
  bool alone = false;  // let the kernel fragment: no segmentation offload
  bool dont_fragment = true;
};

class Sender {
 public:
  struct Report {
    std::uint64_t failed = 0;          // trains that could not be sent
    std::vector<std::size_t> too_big;  // indices of trains that met a smaller path MTU
  };
  Sender();
  // Sends all; waits a few milliseconds at most when the kernel's buffers are full. The report is
  // good until the next call.
  const Report& send(std::span<const Outgoing> trains);

 private:
  static constexpr std::size_t kMessages = 64;
  struct Control {
    alignas(cmsghdr) std::uint8_t octets[128];
  };
  void send_run(std::span<const Outgoing> trains, std::size_t first_index);
  void send_singly(const Outgoing& train);
  void fill(std::size_t at, const Outgoing& train, ByteView data, std::size_t segment);
  // Returns how many of the filled messages went out, and sets errno.
  std::size_t transmit(const OuterSocket& socket, std::size_t from, std::size_t count);

  std::vector<mmsghdr> messages_;
  std::vector<iovec> pieces_;
  std::vector<sockaddr_storage> names_;
  std::vector<Control> controls_;
  Report report_;
};

// Sends one datagram now, from any thread; false when the kernel refused it.
bool send_datagram(const OuterSocket& socket, const Endpoint& local, const Endpoint& remote,
                   std::span<const ByteView> parts);

// Sends an IKE message through the UDP socket of its family and local port, with the non-ESP marker
// on the NAT-T port (RFC 3948, 2.2); a local port that is not the NAT-T port means the other one.
void send_ike(std::span<const OuterSocket> sockets, std::uint16_t nat_t_port,
              const Datagram& datagram);
// RFC 3948, 2.3: one octet that a NAT's mapping lives on and the peer ignores.
void send_keepalive(std::span<const OuterSocket> sockets, std::uint16_t nat_t_port,
                    const Endpoint& local, const Endpoint& remote);

// The MTU of the path as the kernel knows it; 1,280 when there is no route.
unsigned path_mtu(const Endpoint& local, const Endpoint& remote, std::uint32_t mark);

}  // namespace culvert::esp
