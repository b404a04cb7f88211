// Finds out whether this kernel takes an ESP SA, by adding one and deleting it.
#include <fmt/format.h>
#include <linux/netlink.h>
#include <sys/random.h>

#include <array>

#include "xfrm/kernel_plane.h"
#include "xfrm/messages.h"
#include "xfrm/refusals.h"
#include "xfrm/socket.h"

namespace culvert::xfrm {
namespace {

InstallSa probe_sa() {
  InstallSa sa;
  std::array<std::uint8_t, 48> keys{};
  [[maybe_unused]] const ssize_t got = getrandom(keys.data(), keys.size(), 0);
  [[maybe_unused]] const ssize_t spi = getrandom(&sa.spi, sizeof sa.spi, 0);
  sa.spi |= 0x8000'0000;
  sa.mode = Mode::transport;
  sa.local.address = sa.remote.address = IpAddress::v4(0x7f00'0001);
  sa.cipher = {Encr::aes_cbc, 128, Integ::hmac_sha2_256_128};  // RFC 8221: every ESP has them
  sa.keys.encryption.assign(ByteView(keys).first(16));
  sa.keys.integrity.assign(ByteView(keys).last(32));
  return sa;
}

}  // namespace

std::expected<void, std::string> KernelPlane::probe() {
  auto requests = TRY(RequestSocket::open(NETLINK_XFRM));
  const InstallSa sa = probe_sa();
  Batch batch(1);
  if (!add_sa(batch, sa, 0)) return std::unexpected("the kernel has no names for ESP's ciphers");
  const Ack added = requests.transact(batch)[0];
  if (added.error != 0)
    return std::unexpected(fmt::format("the kernel takes no ESP SA: {}", words_of(added)));
  Batch undo;
  delete_sa(undo, name_of(sa));
  requests.transact(undo);
  return {};
}

}  // namespace culvert::xfrm
