// Invariant: the device was made by us (never attached to), so closing it removes it.
#include "esp/tun.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace culvert::esp {
namespace {

constexpr int kQueueLength = 1'000;
constexpr short kExclusive = static_cast<short>(0x8000);  // IFF_TUN_EXCL

std::string sentence(const std::string& what, int error) {
  return fmt::format("cannot {}: {}", what, std::strerror(error));
}

ifreq request_for(const std::string& name) {
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

const std::string kV4Settings = "/proc/sys/net/ipv4/conf/";

// Settings that only matter where they exist; a container may mount /proc/sys read-only.
void write_setting(const std::string& path, std::string_view value) {
  const FileDescriptor fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd) [[maybe_unused]]
    const ssize_t written = write(fd.get(), value.data(), value.size());
}
char read_setting(const std::string& path) {
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char value = '0';
  if (fd) [[maybe_unused]]
    const ssize_t got = read(fd.get(), &value, 1);
  return value;
}

}  // namespace

bool strict_reverse_path() { return read_setting(kV4Settings + "all/rp_filter") == '1'; }

std::expected<Tun, std::string> Tun::open(const std::string& name, unsigned mtu) {
  if (name.empty() || name.size() >= IFNAMSIZ)
    return std::unexpected(fmt::format("cannot create TUN device \"{}\": bad name", name));
  FileDescriptor fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return std::unexpected(sentence("open /dev/net/tun", errno));
  FileDescriptor control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!control) return std::unexpected(sentence("open a control socket", errno));
  ifreq request = request_for(name);
  request.ifr_flags =
      static_cast<short>(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE) | kExclusive;
  if (ioctl(fd.get(), TUNSETIFF, &request) != 0)
    return std::unexpected(sentence("create TUN device " + name, errno));
  Tun tun(std::move(fd), std::move(control), name);
  if (std::string error = tun.configure(mtu); !error.empty())
    return std::unexpected(std::move(error));
  return tun;
}

std::string Tun::configure(unsigned mtu) {
  int header_size = sizeof(VirtioHeader);
  if (ioctl(fd_.get(), TUNSETVNETHDRSZ, &header_size) != 0)
    return sentence("set the virtio header of " + name_, errno);
  probe_offloads();
  tune();
  if (!set_mtu(mtu)) return sentence("set the MTU of " + name_, errno);
  ifreq request = request_for(name_);
  request.ifr_qlen = kQueueLength;
  ioctl(control_.get(), SIOCSIFTXQLEN, &request);
  request = request_for(name_);
  if (ioctl(control_.get(), SIOCGIFFLAGS, &request) != 0)
    return sentence("read the flags of " + name_, errno);
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (ioctl(control_.get(), SIOCSIFFLAGS, &request) != 0)
    return sentence("bring " + name_ + " up", errno);
  index_ = if_nametoindex(name_.c_str());
  return index_ != 0 ? std::string() : sentence("find " + name_, errno);
}

// Each more offload needs a newer kernel; USO4 and USO6 go together or not at all.
void Tun::probe_offloads() {
  const unsigned tso = virtio::kOffloadChecksum | virtio::kOffloadTso4 | virtio::kOffloadTso6 |
                       virtio::kOffloadTsoEcn;
  for (const unsigned wanted : {tso | virtio::kOffloadUso, tso, virtio::kOffloadChecksum}) {
    if (ioctl(fd_.get(), TUNSETOFFLOAD, static_cast<unsigned long>(wanted)) != 0) continue;
    offloads_.tso4 = offloads_.tso6 = (wanted & virtio::kOffloadTso4) != 0;
    offloads_.uso = (wanted & virtio::kOffloadUso) != 0;
    return;
  }
}

// The device has no addresses: no router solicitations from it, and a strict reverse-path filter
// would refuse what peers send from networks that are also reachable otherwise.
void Tun::tune() {
  const std::string own = kV4Settings + name_ + "/rp_filter";
  if (strict_reverse_path() || read_setting(own) == '1') write_setting(own, "2");
  write_setting("/proc/sys/net/ipv6/conf/" + name_ + "/addr_gen_mode", "1");
}

bool Tun::set_mtu(unsigned mtu) {
  ifreq request = request_for(name_);
  request.ifr_mtu = static_cast<int>(mtu);
  return ioctl(control_.get(), SIOCSIFMTU, &request) == 0;
}

bool Tun::read(MutableBytes buffer, VirtioHeader& header, MutableBytes& packet) {
  const ssize_t size = ::read(fd_.get(), buffer.data(), buffer.size());
  if (size < 0) return false;
  if (static_cast<std::size_t>(size) <= sizeof header) {
    packet = {};
    return true;
  }
  std::memcpy(&header, buffer.data(), sizeof header);
  packet = buffer.subspan(sizeof header, static_cast<std::size_t>(size) - sizeof header);
  return true;
}

bool Tun::write(std::span<const iovec> pieces) {
  return writev(fd_.get(), pieces.data(), static_cast<int>(pieces.size())) >= 0;
}

}  // namespace culvert::esp
