// The TUN device: packets in clear, with virtio headers and what offloads the kernel has.
#pragma once

#include <sys/uio.h>

#include <expected>
#include <span>
#include <string>

#include "base/bytes.h"
#include "esp/file_descriptor.h"
#include "esp/virtio.h"

namespace culvert::esp {

struct TunOffloads {
  bool tso4 = false, tso6 = false, uso = false;
};

// Where packets in clear go; one of them is the device.
class PacketSink {
 public:
  virtual ~PacketSink() = default;
  // Takes a virtio header and a packet behind it, in pieces; false when it was refused.
  virtual bool write(std::span<const iovec> pieces) = 0;
};

// Whether the host refuses IPv4 packets from where it would not send to. Then what a peer sends
// from an address that a policy protects is lost: the way back leads into the device.
bool strict_reverse_path();

class Tun final : public PacketSink {
 public:
  static constexpr unsigned kMinMtu = 1'280, kMaxMtu = 9'216;
  static constexpr std::size_t kMaxRead = sizeof(VirtioHeader) + 65'535 + 40;

  // Creates the device, up, with an MTU; it lives as long as this object. The error is a sentence.
  static std::expected<Tun, std::string> open(const std::string& name, unsigned mtu);

  int fd() const { return fd_.get(); }
  const std::string& name() const { return name_; }
  unsigned index() const { return index_; }
  const TunOffloads& offloads() const { return offloads_; }
  // Reads one (super-)packet: the virtio header and the octets behind it. False: nothing there.
  bool read(MutableBytes buffer, VirtioHeader& header, MutableBytes& packet);
  bool write(std::span<const iovec> pieces) override;
  bool set_mtu(unsigned mtu);

 private:
  Tun(FileDescriptor fd, FileDescriptor control, std::string name)
      : fd_(std::move(fd)), control_(std::move(control)), name_(std::move(name)) {}
  std::string configure(unsigned mtu);
  void probe_offloads();
  void tune();

  FileDescriptor fd_, control_;
  std::string name_;
  unsigned index_ = 0;
  TunOffloads offloads_;
};

}  // namespace culvert::esp
