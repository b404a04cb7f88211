// Makes valid IKEv2 payloads out of any octets, for fuzzers and for seeded property tests.
// Invariant: the same octets make the same values; when they run out, zeros follow.
#pragma once

#include "base/limits.h"
#include "wire/v2/message.h"

namespace culvert::wire::testing {

class Values {
 public:
  explicit Values(ByteView octets) : octets_(octets) {}

  bool empty() const { return octets_.empty(); }

  std::uint64_t number() {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | octet();
    return value;
  }
  std::uint8_t octet() {
    if (octets_.empty()) return 0;
    const std::uint8_t value = octets_.front();
    octets_ = octets_.subspan(1);
    return value;
  }
  std::uint16_t u16() { return static_cast<std::uint16_t>(octet() << 8 | octet()); }
  std::size_t below(std::size_t bound) { return u16() % bound; }

  Bytes bytes(std::size_t least, std::size_t most) {
    Bytes out(least + below(most - least + 1));
    for (std::uint8_t& out_octet : out) out_octet = octet();
    return out;
  }

  Header header() {
    Header header;
    header.spi_i = number() | 1;
    header.spi_r = number();
    header.minor = octet() & 0x0f;
    header.exchange = ExchangeType{octet()};
    const std::uint8_t flags = octet();
    header.initiator = flags & 1;
    header.response = flags & 2;
    header.higher_version = flags & 4;
    header.message_id = static_cast<std::uint32_t>(number());
    return header;
  }

  std::vector<Payload> payloads(std::size_t most = 12) {
    std::vector<Payload> out;
    for (std::size_t count = below(most + 1); count > 0; --count) {
      Payload next = payload();
      if (encoded_size(out) + 4096 > limits::kMaxMessageSize / 2) break;
      out.push_back(std::move(next));
    }
    return out;
  }

  Payload payload() {
    static constexpr PayloadType kTypes[] = {
        PayloadType::sa,     PayloadType::ke,        PayloadType::id_i, PayloadType::id_r,
        PayloadType::cert,   PayloadType::certreq,   PayloadType::auth, PayloadType::nonce,
        PayloadType::notify, PayloadType::delete_,   PayloadType::ts_i, PayloadType::ts_r,
        PayloadType::cp,     PayloadType::vendor_id, PayloadType::eap,  PayloadType::ps};
    const PayloadType type = kTypes[below(std::size(kTypes))];
    Payload payload(type, body(type));
    payload.critical = type != PayloadType::ps && (octet() & 1);
    return payload;
  }

 private:
  PayloadBody body(PayloadType type) {
    switch (type) {
      case PayloadType::sa:
        return sa();
      case PayloadType::ke:
        return KeyExchangePayload{u16(), bytes(0, 300)};
      case PayloadType::id_i:
      case PayloadType::id_r:
        return identification();
      case PayloadType::cert:
        return Cert{octet(), bytes(0, 300)};
      case PayloadType::certreq:
        return CertReq{octet(), bytes(0, 60)};
      case PayloadType::auth:
        return Auth{AuthMethod{octet()}, bytes(0, 64)};
      case PayloadType::nonce:
        return Nonce{bytes(limits::kMinNonceSize, limits::kMaxNonceSize)};
      case PayloadType::notify:
        return notify();
      case PayloadType::delete_:
        return deletion();
      case PayloadType::ts_i:
      case PayloadType::ts_r:
        return selectors();
      case PayloadType::cp:
        return configuration();
      case PayloadType::vendor_id:
        return VendorId{bytes(0, 40)};
      case PayloadType::eap:
        return eap();
      default:
        return Unknown{bytes(0, 40)};
    }
  }

  Transform transform() {
    Transform transform{TransformType{octet()}, u16(), 0, {}};
    if (octet() & 1) transform.key_bits = u16();
    for (std::size_t count = below(3); count > 0; --count) {
      const bool short_form = octet() & 1;
      // Key Length in its usual form belongs into key_bits.
      const auto type = static_cast<std::uint16_t>(kKeyLengthAttribute + 1 + below(100));
      transform.others.push_back({type, short_form,
                                  static_cast<std::uint16_t>(short_form ? u16() : 0),
                                  short_form ? Bytes{} : bytes(0, 9)});
    }
    return transform;
  }

  Sa sa() {
    static constexpr std::size_t kSpiSizes[] = {3, 8, 4, 4};  // by protocol; IKE may also have none
    Sa sa;
    const auto first = static_cast<std::uint8_t>(1 + below(100));
    for (std::size_t i = 0, count = 1 + below(4); i < count; ++i) {
      Proposal proposal;
      proposal.number = static_cast<std::uint8_t>(first + i);
      const std::size_t protocol = below(4);
      proposal.protocol = ProtocolId{static_cast<std::uint8_t>(protocol)};
      const std::size_t size = protocol == 1 && (octet() & 1) ? 0 : kSpiSizes[protocol];
      proposal.spi = bytes(size, size);
      for (std::size_t n = below(8); n > 0; --n) proposal.transforms.push_back(transform());
      sa.proposals.push_back(std::move(proposal));
    }
    return sa;
  }

  Identification identification() {
    Identification id{IdType{octet()}, {}, {octet(), octet(), octet()}};
    if (id.type == IdType::ipv4_addr)
      id.data = bytes(4, 4);
    else if (id.type == IdType::ipv6_addr)
      id.data = bytes(16, 16);
    else
      id.data = bytes(0, 80);
    return id;
  }

  Notify notify() {
    static constexpr std::size_t kSpiSizes[] = {0, 8, 4, 4};
    const std::size_t protocol = below(4);
    const std::size_t size = octet() & 1 ? kSpiSizes[protocol] : 0;
    return {ProtocolId{static_cast<std::uint8_t>(protocol)}, bytes(size, size), NotifyType{u16()},
            bytes(0, 64)};
  }

  Delete deletion() {
    if (octet() & 1) return Delete::ike_sa();
    std::vector<std::uint32_t> spis(below(20));
    for (std::uint32_t& spi : spis) spi = static_cast<std::uint32_t>(number());
    return Delete::child_sas(octet() & 1 ? ProtocolId::esp : ProtocolId::ah, spis);
  }

  Selector selector() {
    Selector selector{TsType{static_cast<std::uint8_t>(7 + below(4))}, octet()};
    if (!selector.is_address_range()) {
      selector.unknown = bytes(0, 20);
      return selector;
    }
    const std::size_t size = selector.type == TsType::ipv4 ? 4 : 16;
    selector.first = IpAddress::from_bytes(bytes(size, size));
    selector.last = IpAddress::from_bytes(bytes(size, size));
    if (selector.last < selector.first) std::swap(selector.first, selector.last);
    selector.start_port = u16();
    selector.end_port = u16();
    if (selector.start_port > selector.end_port) {
      selector.start_port = 65535;  // OPAQUE
      selector.end_port = 0;
    }
    return selector;
  }

  TrafficSelectors selectors() {
    TrafficSelectors ts;
    for (std::size_t count = 1 + below(5); count > 0; --count) ts.selectors.push_back(selector());
    return ts;
  }

  Configuration configuration() {
    Configuration configuration{ConfigType{octet()}, {}};
    for (std::size_t count = below(6); count > 0; --count)
      configuration.attributes.push_back(
          {static_cast<std::uint16_t>(u16() & 0x7fff), bytes(0, 20)});
    return configuration;
  }

  Eap eap() {
    Eap eap{bytes(4, 100)};
    store_be(eap.data.data() + 2, static_cast<std::uint16_t>(eap.data.size()));
    return eap;
  }

  ByteView octets_;
};

}  // namespace culvert::wire::testing
