#include "ikev2/nat_detection.h"

namespace culvert::ikev2 {
namespace {

constexpr std::size_t kHashSize = 20;

// SHA-1(SPIi | SPIr | address | port), RFC 7296, 2.23.
Bytes hash_of(Provider& provider, std::uint64_t spi_i, std::uint64_t spi_r, const Endpoint& end) {
  std::uint8_t spis[16], port[2];
  store_be(spis, spi_i);
  store_be(spis + 8, spi_r);
  store_be(port, end.port);
  Bytes out(kHashSize);
  if (!provider.hash(Hash::sha1, {spis, end.address.bytes(), port}, out)) out.clear();
  return out;
}

}  // namespace

void add_nat_detection(Host& host, const IkeSa& sa, bool fake_source, Payloads& payloads) {
  Bytes source = hash_of(host.provider(), sa.spi_i, sa.spi_r, sa.local);
  if (fake_source) host.provider().random(source);
  payloads.push_back(make_notify(wire::NotifyType::nat_detection_source_ip, std::move(source)));
  payloads.push_back(make_notify(wire::NotifyType::nat_detection_destination_ip,
                                 hash_of(host.provider(), sa.spi_i, sa.spi_r, sa.remote)));
}

NatDetection detect_nat(Host& host, const wire::Header& header, const Datagram& datagram,
                        std::span<const wire::Payload> payloads) {
  const Bytes here = hash_of(host.provider(), header.spi_i, header.spi_r, datagram.local);
  const Bytes there = hash_of(host.provider(), header.spi_i, header.spi_r, datagram.remote);
  bool any_source = false, any_destination = false, source_fits = false, destination_fits = false;
  for (const wire::Payload& payload : payloads) {
    const auto* notify = std::get_if<wire::Notify>(&payload.body);
    if (!notify) continue;
    // A peer with several addresses may send several source hashes; one that fits is enough.
    if (notify->type == wire::NotifyType::nat_detection_source_ip) {
      any_source = true;
      source_fits |= equal(notify->data, there);
    } else if (notify->type == wire::NotifyType::nat_detection_destination_ip) {
      any_destination = true;
      destination_fits |= equal(notify->data, here);
    }
  }
  NatDetection result;
  result.announced = any_source && any_destination;
  result.remote_behind_nat = result.announced && !source_fits;
  result.local_behind_nat = result.announced && !destination_fits;
  return result;
}

}  // namespace culvert::ikev2
