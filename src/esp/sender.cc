// Sending trains. Invariant: what the kernel refuses as a train is tried once more as single
// datagrams; nothing is retried for ever.
#include <netinet/udp.h>
#include <poll.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "esp/socket_address.h"
#include "esp/sockets.h"

namespace culvert::esp {
namespace {

constexpr int kUdpSegment = 103;
constexpr int kFullBufferWait_ms = 5;
constexpr std::array<std::uint8_t, kNonEspMarker> kMarker{};

// Appends one control message and returns where the next one goes.
template <class T>
std::size_t put_control(std::uint8_t* control, std::size_t at, int level, int type,
                        const T& value) {
  auto* header = reinterpret_cast<cmsghdr*>(control + at);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(header), &value, sizeof value);
  return at + CMSG_SPACE(sizeof value);
}

std::size_t put_source(std::uint8_t* control, std::size_t at, const IpAddress& local) {
  if (local.is_unspecified()) return at;
  if (local.is_v4()) {
    in_pktinfo info{};
    info.ipi_spec_dst = to_in_addr(local);
    return put_control(control, at, IPPROTO_IP, IP_PKTINFO, info);
  }
  in6_pktinfo info{};
  info.ipi6_addr = to_in6_addr(local);
  return put_control(control, at, IPPROTO_IPV6, IPV6_PKTINFO, info);
}

// A train that no offload will take apart: on raw sockets, after EIO, or to be fragmented.
bool goes_singly(const Outgoing& train) {
  return train.alone || (train.data.size() > train.segment && !train.socket->segments());
}

}  // namespace

Sender::Sender()
    : messages_(kMessages), pieces_(kMessages), names_(kMessages), controls_(kMessages) {}

void Sender::fill(std::size_t at, const Outgoing& train, ByteView data, std::size_t segment) {
  pieces_[at] = {const_cast<std::uint8_t*>(data.data()), data.size()};
  messages_[at] = {};
  msghdr& header = messages_[at].msg_hdr;
  header.msg_name = &names_[at];
  // Raw IPv6 sockets take no other port than 0 (raw(7)).
  const std::uint16_t port = train.socket->kind() == OuterSocket::Kind::udp ? train.remote.port : 0;
  header.msg_namelen = to_sockaddr({train.remote.address, port}, names_[at]);
  header.msg_iov = &pieces_[at];
  header.msg_iovlen = 1;
  std::uint8_t* control = controls_[at].octets;
  std::size_t used = put_source(control, 0, train.local.address);
  const int traffic_class = train.traffic_class;
  if (traffic_class != 0)
    used = train.remote.address.is_v4()
               ? put_control(control, used, IPPROTO_IP, IP_TOS, traffic_class)
               : put_control(control, used, IPPROTO_IPV6, IPV6_TCLASS, traffic_class);
  if (data.size() > segment)
    used =
        put_control(control, used, IPPROTO_UDP, kUdpSegment, static_cast<std::uint16_t>(segment));
  header.msg_control = used == 0 ? nullptr : control;
  header.msg_controllen = used;
}

std::size_t Sender::transmit(const OuterSocket& socket, std::size_t from, std::size_t count) {
  const int sent =
      sendmmsg(socket.fd(), messages_.data() + from, static_cast<unsigned>(count), MSG_DONTWAIT);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno != EAGAIN && errno != ENOBUFS) return 0;
  // The buffer is full: a moment's wait holds the TUN device back instead of losing packets.
  pollfd waiting{socket.fd(), POLLOUT, 0};
  poll(&waiting, 1, kFullBufferWait_ms);
  const int again =
      sendmmsg(socket.fd(), messages_.data() + from, static_cast<unsigned>(count), MSG_DONTWAIT);
  return again < 0 ? 0 : static_cast<std::size_t>(again);
}

const Sender::Report& Sender::send(std::span<const Outgoing> trains) {
  report_.failed = 0;
  report_.too_big.clear();
  std::size_t first = 0;
  while (first < trains.size()) {
    const Outgoing& head = trains[first];
    if (goes_singly(head)) {
      send_singly(head);
      ++first;
      continue;
    }
    std::size_t end = first;
    while (end < trains.size() && end - first < kMessages && trains[end].socket == head.socket &&
           trains[end].dont_fragment == head.dont_fragment && !goes_singly(trains[end]))
      ++end;
    send_run(trains.subspan(first, end - first), first);
    first = end;
  }
  return report_;
}

void Sender::send_run(std::span<const Outgoing> trains, std::size_t first_index) {
  OuterSocket& socket = *trains.front().socket;
  socket.set_dont_fragment(trains.front().dont_fragment);
  std::size_t done = 0;
  for (std::size_t i = 0; i < trains.size(); ++i)
    fill(i, trains[i], trains[i].data, trains[i].segment);
  while (done < trains.size()) {
    done += transmit(socket, done, trains.size() - done);
    if (done == trains.size()) return;
    // sendmmsg() tells the error of a message only when it is the first one.
    const std::size_t more = transmit(socket, done, trains.size() - done);
    if (more != 0) {
      done += more;
      continue;
    }
    const Outgoing& refused = trains[done];
    const bool train = refused.data.size() > refused.segment;
    if (errno == EIO && train) socket.stop_segmenting();
    if (errno == EMSGSIZE || (errno == EINVAL && train))
      report_.too_big.push_back(first_index + done);
    else if (errno != EIO || !train)
      ++report_.failed;
    const bool retry = train && (errno == EIO || errno == EMSGSIZE || errno == EINVAL);
    ++done;
    if (!retry) continue;
    send_singly(refused);  // it fills the messages anew, so the rest starts over
    if (done < trains.size()) send_run(trains.subspan(done), first_index + done);
    return;
  }
}

void Sender::send_singly(const Outgoing& train) {
  train.socket->set_dont_fragment(train.dont_fragment);
  ByteView rest = train.data;
  while (!rest.empty()) {
    std::size_t count = 0;
    for (; count < kMessages && !rest.empty(); ++count) {
      const std::size_t size = std::min(train.segment, rest.size());
      fill(count, train, rest.first(size), size);
      rest = rest.subspan(size);
    }
    std::size_t done = 0;
    while (done < count) {
      const std::size_t sent = transmit(*train.socket, done, count - done);
      done += sent;
      if (sent == 0) {
        ++report_.failed;
        ++done;
      }
    }
  }
}

bool send_datagram(const OuterSocket& socket, const Endpoint& local, const Endpoint& remote,
                   std::span<const ByteView> parts) {
  iovec pieces[2];
  std::size_t count = 0;
  for (const ByteView part : parts)
    if (count < std::size(pieces))
      pieces[count++] = {const_cast<std::uint8_t*>(part.data()), part.size()};
  sockaddr_storage name;
  msghdr header{};
  header.msg_namelen = to_sockaddr(remote, name);
  header.msg_name = &name;
  header.msg_iov = pieces;
  header.msg_iovlen = count;
  alignas(cmsghdr) std::uint8_t control[128];
  header.msg_controllen = put_source(control, 0, local.address);
  header.msg_control = header.msg_controllen == 0 ? nullptr : control;
  return sendmsg(socket.fd(), &header, MSG_DONTWAIT) >= 0;
}

namespace {

const OuterSocket* udp_socket(std::span<const OuterSocket> sockets, std::uint16_t nat_t_port,
                              bool nat_t, Family family) {
  const auto found = std::ranges::find_if(sockets, [&](const OuterSocket& socket) {
    return socket.kind() == OuterSocket::Kind::udp && socket.family() == family &&
           (socket.port() == nat_t_port) == nat_t;
  });
  return found == sockets.end() ? nullptr : &*found;
}

}  // namespace

void send_ike(std::span<const OuterSocket> sockets, std::uint16_t nat_t_port,
              const Datagram& datagram) {
  const bool marked = datagram.local.port == nat_t_port;
  const OuterSocket* socket =
      udp_socket(sockets, nat_t_port, marked, datagram.remote.address.family());
  if (!socket) return;
  const ByteView parts[] = {kMarker, datagram.payload};
  // A lost message is the retransmission's business (RFC 7296, 2.1).
  send_datagram(*socket, datagram.local, datagram.remote,
                marked ? std::span(parts) : std::span(parts).last(1));
}

void send_keepalive(std::span<const OuterSocket> sockets, std::uint16_t nat_t_port,
                    const Endpoint& local, const Endpoint& remote) {
  static constexpr std::uint8_t kKeepalive[] = {0xff};
  const ByteView parts[] = {kKeepalive};
  if (const auto* socket = udp_socket(sockets, nat_t_port, true, remote.address.family()))
    send_datagram(*socket, local, remote, parts);
}

}  // namespace culvert::esp
