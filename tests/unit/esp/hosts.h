// Two hosts in one network namespace, with an SA of any shape from one to the other.
#pragma once

#include "end.h"
#include "namespace.h"

namespace culvert::esp::testing_hosts {

using namespace testing_ends;
using testing_packets::Flow;

inline constexpr SaPairId kPair{5};
inline constexpr PolicyId kPolicy{6};

struct Shape {
  IpsecProtocol protocol = IpsecProtocol::esp;
  Mode mode = Mode::tunnel;
  Family outer = Family::v4;
  bool udp = false;
  CipherSpec cipher{Encr::aes_gcm_16, 128, Integ::none};
  bool esn = false;
  std::uint16_t cpi = 0;
};

inline std::string describe(const Shape& shape) {
  return std::string(shape.protocol == IpsecProtocol::ah ? "AH" : "ESP") +
         (shape.mode == Mode::transport ? " transport" : " tunnel") +
         (shape.outer == Family::v4 ? " v4" : " v6") + (shape.udp ? " udp " : " native ") +
         std::string(name_of(shape.cipher.encr)) + " " + std::string(name_of(shape.cipher.integ)) +
         (shape.esn ? " esn" : "");
}

inline TrafficSelector host(const IpAddress& address, std::uint8_t protocol = 0) {
  return {address, address, protocol};
}

// Two hosts with an SA from a to b.
struct Hosts {
  explicit Hosts(const Shape& the_shape, unsigned mtu = 1'500)
      : shape(the_shape),
        a(mtu, *IpAddress::parse(shape.outer == Family::v4 ? "127.0.0.1" : "::1"), true),
        b(mtu, *IpAddress::parse(shape.outer == Family::v4 ? "127.0.0.2" : "fd00::2"), true) {}

  InstallSa sa(Direction direction) {
    const bool out = direction == Direction::out;
    InstallSa op;
    op.pair = kPair;
    op.direction = direction;
    op.protocol = shape.protocol;
    op.mode = shape.mode;
    op.spi = 0x11223344;
    op.cipher = shape.cipher;
    op.esn = shape.esn;
    const auto sizes = *sizes_of(shape.cipher);
    op.keys = {Key(pattern(sizes.key)), Key(pattern(sizes.integ_key, 5))};
    op.local = out ? a.endpoint() : b.endpoint();
    op.remote = out ? b.endpoint() : a.endpoint();
    op.udp_encap = shape.udp;
    op.cpi = shape.cpi;
    std::vector ours{net("10.1.0.0/16"), net("fd01::/64")};
    std::vector theirs{net("10.2.0.0/16"), net("fd02::/64")};
    if (shape.mode == Mode::transport) {
      ours = {host(a.address)};
      theirs = {host(b.address)};
    }
    op.local_ts = out ? ours : theirs;
    op.remote_ts = out ? theirs : ours;
    change(op);
    return op;
  }
  InstallPolicy policy() {
    InstallPolicy op{kPolicy, kPair, sa(Direction::out).local_ts, sa(Direction::out).remote_ts};
    op.mode = shape.mode;
    return op;
  }
  bool install() {
    return a.apply(sa(Direction::out)) && b.apply(sa(Direction::in)) && a.apply(policy());
  }
  // What flows between the two that the SA protects.
  Flow flow(Family inner = Family::v4) const {
    if (shape.mode == Mode::transport) return {a.address, b.address, 40'000, 5'201};
    return inner == Family::v4 ? Flow{} : testing_packets::v6_flow();
  }
  std::vector<Bytes> carry(const Bytes& packet, const VirtioHeader& header = {}) {
    b.device.packets.clear();
    a.send(header, packet);
    b.receive();
    return b.device.packets;
  }

  Shape shape;
  std::function<void(InstallSa&)> change = [](InstallSa&) {};
  End a, b;
};

}  // namespace culvert::esp::testing_hosts
