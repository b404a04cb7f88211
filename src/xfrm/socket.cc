// Invariant: only what the kernel itself sent is believed; no call waits longer than kPatience.
#include "xfrm/socket.h"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>

namespace culvert::xfrm {
namespace {

// Answers of so many requests fit the default receive buffer.
constexpr std::size_t kMessagesPerSend = 64;
constexpr timeval kPatience{2, 0};
constexpr int kEventBuffer = 4 * 1'024 * 1'024;
constexpr int kReceivesPerTurn = 64;

std::expected<esp::FileDescriptor, std::string> open_socket(int protocol, int flags) {
  esp::FileDescriptor fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, protocol));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (fd && bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return fd;
  return std::unexpected(fmt::format("cannot open a netlink socket of the kernel's {}: {}",
                                     protocol == NETLINK_XFRM ? "IPsec (XFRM)" : "routing",
                                     std::strerror(errno)));
}

// The octets of one datagram from the kernel; -1 with errno, 0 when a stranger sent it.
ssize_t receive_from_kernel(int fd, MutableBytes buffer, int flags) {
  sockaddr_nl sender{};
  socklen_t size = sizeof sender;
  const ssize_t got = recvfrom(fd, buffer.data(), buffer.size(), flags,
                               reinterpret_cast<sockaddr*>(&sender), &size);
  if (got > 0 && (size != sizeof sender || sender.nl_pid != 0)) return 0;
  return got;
}

// Calls f for each whole message.
template <class F>
void for_each_message(ByteView octets, F&& f) {
  while (octets.size() >= sizeof(nlmsghdr)) {
    const auto* header = reinterpret_cast<const nlmsghdr*>(octets.data());
    if (header->nlmsg_len < sizeof *header || header->nlmsg_len > octets.size()) return;
    f(octets.first(header->nlmsg_len));
    octets = octets.subspan(std::min<std::size_t>(NLMSG_ALIGN(header->nlmsg_len), octets.size()));
  }
}

}  // namespace

std::expected<RequestSocket, std::string> RequestSocket::open(int protocol) {
  auto fd = TRY(open_socket(protocol, 0));
  const int on = 1;
  // Errors with the kernel's words, and without our request; older kernels lack both.
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  return RequestSocket(std::move(fd));
}

std::vector<Ack> RequestSocket::transact(Batch& batch, const OnAnswer& on_answer) {
  std::vector<Ack> acks(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    acks[i].sequence = batch.header(i)->nlmsg_seq = first_ + static_cast<std::uint32_t>(i);
    acks[i].error = ETIMEDOUT;
  }
  for (std::size_t from = 0; from < batch.size(); from += kMessagesPerSend)
    exchange(batch, from, std::min(batch.size(), from + kMessagesPerSend), on_answer, acks);
  first_ += static_cast<std::uint32_t>(batch.size());
  return acks;
}

void RequestSocket::exchange(Batch& batch, std::size_t from, std::size_t to,
                             const OnAnswer& on_answer, std::vector<Ack>& acks) {
  const ByteView request = batch.range(from, to);
  if (send(fd_.get(), request.data(), request.size(), 0) < 0) {
    for (std::size_t i = from; i < to; ++i) acks[i].error = errno;
    return;
  }
  for (std::size_t answered = 0; answered < to - from;) {
    const ssize_t size = receive_from_kernel(fd_.get(), buffer_, 0);
    if (size < 0 && errno != EINTR) return;  // what is not answered stays ETIMEDOUT
    if (size <= 0) continue;
    for_each_message(ByteView(buffer_).first(static_cast<std::size_t>(size)),
                     [&](ByteView message) { answered += take(message, on_answer, acks) ? 1 : 0; });
  }
}

bool RequestSocket::take(ByteView message, const OnAnswer& on_answer, std::vector<Ack>& acks) {
  const auto* header = reinterpret_cast<const nlmsghdr*>(message.data());
  const std::uint32_t index = header->nlmsg_seq - first_;
  if (index >= acks.size()) return false;
  if (header->nlmsg_type == NLMSG_DONE) {
    acks[index].error = 0;
    return true;
  }
  if (auto ack = parse_ack(message)) {
    acks[index] = std::move(*ack);
    return true;
  }
  if (on_answer) on_answer(index, message);
  return false;
}

std::expected<EventSocket, std::string> EventSocket::open() {
  auto fd = TRY(open_socket(NETLINK_XFRM, SOCK_NONBLOCK));
  if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kEventBuffer, sizeof kEventBuffer) != 0)
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kEventBuffer, sizeof kEventBuffer);
  for (const int group :
       {XFRMNLGRP_ACQUIRE, XFRMNLGRP_EXPIRE, XFRMNLGRP_MAPPING, XFRMNLGRP_AEVENTS})
    if (setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
      return std::unexpected(
          fmt::format("cannot listen to the kernel's IPsec events: {}", std::strerror(errno)));
  return EventSocket(std::move(fd));
}

std::vector<Event> EventSocket::receive(bool& overrun) {
  std::vector<Event> events;
  alignas(nlmsghdr) std::uint8_t buffer[16'384];
  for (int i = 0; i < kReceivesPerTurn; ++i) {
    const ssize_t size = receive_from_kernel(fd_.get(), buffer, MSG_DONTWAIT);
    if (size < 0 && errno == ENOBUFS) {
      overrun = true;
      continue;
    }
    if (size < 0) break;
    for_each_message(ByteView(buffer).first(static_cast<std::size_t>(size)), [&](ByteView message) {
      if (auto event = parse_event(message)) events.push_back(*event);
    });
  }
  return events;
}

}  // namespace culvert::xfrm
