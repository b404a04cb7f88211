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

void add_nat_detection(Host& host, const IkeSa& sa, const Endpoint& local, const Endpoint& remote,
                       Payloads& payloads) {
  Bytes source = hash_of(host.provider(), sa.spi_i, sa.spi_r, local);
  if (sa.nat_fake) host.provider().random(source);
  payloads.push_back(make_notify(wire::NotifyType::nat_detection_source_ip, std::move(source)));
  payloads.push_back(make_notify(wire::NotifyType::nat_detection_destination_ip,
                                 hash_of(host.provider(), sa.spi_i, sa.spi_r, remote)));
}

void apply_nat_detection(Host& host, IkeSa& sa, const NatDetection& nat) {
  const bool news = sa.nat_local != nat.local_behind_nat || sa.nat_remote != nat.remote_behind_nat;
  sa.peer_nat_t = nat.announced;
  sa.nat_local = nat.local_behind_nat;
  sa.nat_remote = nat.remote_behind_nat;
  sa.nat_fake = sa.nat_fake && nat.announced;
  sa.udp_encap = nat.announced && (sa.nat_local || sa.nat_remote || sa.nat_fake);
  if (news) emit(host, sa, trace::NatDetected{sa.nat_local, sa.nat_remote});
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
