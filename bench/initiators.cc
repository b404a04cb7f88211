#include "bench/initiators.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>

namespace culvert::bench {
namespace {

constexpr std::uint16_t kNatOffset = 4'000;
constexpr long long kLongestWaitMs = 20;

sockaddr_in socket_address(const IpAddress& ip, std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(ip.v4_value());
  return at;
}

AddressPattern single(const IpAddress& ip) {
  return AddressPattern{AddressPattern::Kind::range, ip, ip, {}};
}

ShardOptions options(std::uint16_t port) {
  ShardOptions made;
  made.ike_port = port;
  made.nat_t_port = port + kNatOffset;
  return made;
}

}  // namespace

TimePoint now() { return TimePoint(std::chrono::steady_clock::now().time_since_epoch()); }

SharedSecret bench_secret() {
  SharedSecret psk;
  psk.id = "bench";
  psk.secret = SecretBytes(as_bytes("bench"));
  return psk;
}

Socket::Socket(const IpAddress& local, std::uint16_t port) : fd_(::socket(AF_INET, SOCK_DGRAM, 0)) {
  const sockaddr_in at = socket_address(local, port);
  if (fd_ < 0 || ::bind(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) std::abort();
}

Socket::~Socket() { ::close(fd_); }

void Socket::send(const Endpoint& to, ByteView octets) const {
  const sockaddr_in at = socket_address(to.address, to.port);
  ::sendto(fd_, octets.data(), octets.size(), 0, reinterpret_cast<const sockaddr*>(&at), sizeof at);
}

ByteView Socket::receive(MutableBytes buffer, Endpoint& from) const {
  sockaddr_in at{};
  socklen_t size = sizeof at;
  const auto got = ::recvfrom(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT,
                              reinterpret_cast<sockaddr*>(&at), &size);
  if (got <= 0) return {};
  from = {IpAddress::v4(ntohl(at.sin_addr.s_addr)), ntohs(at.sin_port)};
  return ByteView(buffer).first(static_cast<std::size_t>(got));
}

Initiators::Initiators(const IpAddress& local, std::uint16_t port, Provider& provider)
    : local_(local),
      ike_port_(port),
      nat_port_(port + kNatOffset),
      ike_(local, ike_port_),
      nat_(local, nat_port_),
      shard_(options(port), provider) {}

ConnectionConfig Initiators::connection(std::uint32_t number, const IpAddress& remote) const {
  ConnectionConfig made;
  made.name = fmt::format("c{}", number);
  made.local_addrs = {single(local_)};
  made.remote_addrs = {single(remote)};
  made.proposals = {*parse_proposal("aes128gcm16-prfsha256-x25519", wire::ProtocolId::ike)};
  made.local.id = *parse_identity(made.name + ".bench.example");
  ChildConfig child;
  child.name = "net";
  child.local = {*parse_selector(IpAddress::v4(0x0a000000u + number).to_string())};
  child.remote = {*parse_selector("10.255.0.0/16")};
  child.proposals = {*parse_proposal("aes128gcm16", wire::ProtocolId::esp)};
  made.children = {std::move(child)};
  return made;
}

void Initiators::start(ConnectionConfig&& connection, std::uint64_t number) {
  const std::string name = connection.name;
  shard_.command(LoadConnection{std::make_shared<const ConnectionConfig>(std::move(connection))},
                 now());
  shard_.command(Initiate{{number}, name, "net"}, now());
}

void Initiators::step() {
  const TimePoint wake = drain();
  const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(wake - now()).count();
  std::array<pollfd, 2> fds{{{ike_.fd(), POLLIN, 0}, {nat_.fd(), POLLIN, 0}}};
  ::poll(fds.data(), fds.size(), static_cast<int>(std::clamp<long long>(rest, 0, kLongestWaitMs)));
  receive(ike_, ike_port_, 0);
  receive(nat_, nat_port_, 4);
}

TimePoint Initiators::drain() {
  for (;;) {
    Output output = shard_.poll(now());
    if (const auto* wait = std::get_if<WaitUntil>(&output)) return wait->deadline;
    if (const auto* finished = std::get_if<CommandDone>(&output)) on_done(*finished);
    if (const auto* wanted = std::get_if<MakeSignature>(&output)) on_signature(*wanted);
    if (const auto* transmit = std::get_if<Transmit>(&output)) send(*transmit);
  }
}

void Initiators::send(const Transmit& transmit) {
  on_sent();
  if (transmit.local.port != nat_port_) return ike_.send(transmit.remote, transmit.payload);
  Bytes marked(4);  // RFC 3948, 2.2: the non-ESP marker
  append(marked, transmit.payload);
  nat_.send(transmit.remote, marked);
}

void Initiators::receive(const Socket& socket, std::uint16_t port, std::size_t marker) {
  std::array<std::uint8_t, 65'536> buffer;
  Endpoint from;
  for (;;) {
    const ByteView octets = socket.receive(buffer, from);
    if (octets.empty()) return;
    on_received();
    if (octets.size() > marker)
      shard_.receive({{local_, port}, from, octets.subspan(marker)}, now());
  }
}

}  // namespace culvert::bench
