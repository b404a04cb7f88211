// Owns what happens to a frame between two hosts. Invariant: with quality and adversary at their
// defaults and no partition, every frame to a reachable host arrives once.
#include "sim/network.h"

#include <algorithm>

#include "wire/v2/message.h"

namespace culvert::sim {
namespace {

constexpr std::size_t kMemory = 48;       // frames that the adversary keeps
constexpr std::size_t kUdpOverhead = 48;  // IPv6 and UDP headers
constexpr std::uint16_t kIkePort = 500, kNatTPort = 4500;

bool is_udp(const Frame& frame) {
  const auto* esp = std::get_if<EspPacket>(&frame.body);
  return !esp || esp->udp_encap;
}

bool is_first_request(const Frame& frame) {
  const auto* octets = std::get_if<Bytes>(&frame.body);
  if (!octets) return false;
  const auto header = wire::peek_header(*octets);
  return header && header->exchange == wire::ExchangeType::ike_sa_init && !header->response;
}

}  // namespace

Endpoint Nat::outbound(const Endpoint& inside, TimePoint now) {
  std::erase_if(mappings_,
                [&](const auto& entry) { return now - entry.second.used >= mapping_life_; });
  for (auto& [port, mapping] : mappings_)
    if (mapping.inside == inside) {
      mapping.used = now;
      return {outside_, port};
    }
  std::uint16_t port = 0;
  do {
    port = static_cast<std::uint16_t>(random_.between(20'000, 60'000));
  } while (mappings_.contains(port));
  mappings_[port] = {inside, now};
  return {outside_, port};
}

std::optional<Endpoint> Nat::inbound(const Endpoint& outside, TimePoint now) {
  const auto at = mappings_.find(outside.port);
  if (at == mappings_.end() || now - at->second.used >= mapping_life_) return std::nullopt;
  at->second.used = now;
  return at->second.inside;
}

void Network::add_host(const IpAddress& address, std::optional<Nat> nat) {
  hosts_.push_back({address, std::move(nat)});
}

void Network::partition(std::size_t from, std::size_t to, TimePoint until) {
  partitions_[{from, to}] = until;
}

void Network::heal() {
  quality.loss = quality.duplication = quality.reordering = 0;
  quality.mtu = 65'535;
  adversary = {};
  partitions_.clear();
}

IpAddress Network::outside_address(std::size_t host) const {
  return hosts_[host].nat ? hosts_[host].nat->outside() : hosts_[host].address;
}

std::optional<std::size_t> Network::host_at(const IpAddress& outside) const {
  for (std::size_t host = 0; host < hosts_.size(); ++host)
    if (outside_address(host) == outside) return host;
  return std::nullopt;
}

Duration Network::delay() {
  Duration result = random_.between(quality.least_delay, quality.most_delay);
  if (random_.per_mille(quality.reordering)) result += random_.between(0ms, 2s);
  return result;
}

bool Network::translate_outbound(std::size_t host, Frame& frame, TimePoint now) {
  if (frame.from.address.is_unspecified()) frame.from.address = hosts_[host].address;
  if (!hosts_[host].nat) return true;
  if (!is_udp(frame)) return false;  // native ESP has no ports to translate
  frame.from = hosts_[host].nat->outbound(frame.from, now);
  return true;
}

bool Network::translate_inbound(std::size_t host, Frame& frame, TimePoint now) {
  if (!hosts_[host].nat) return true;
  if (!is_udp(frame)) return false;
  const auto inside = hosts_[host].nat->inbound(frame.to, now);
  if (!inside) return false;
  frame.to = *inside;
  return true;
}

void Network::route(Frame&& frame, std::vector<Arrival>& arrivals) {
  const auto host = host_at(frame.to.address);
  if (host) arrivals.push_back({*host, delay(), std::move(frame)});
}

std::vector<Network::Arrival> Network::carry(std::size_t host, Frame&& frame, TimePoint now) {
  std::vector<Arrival> arrivals;
  if (!translate_outbound(host, frame, now)) return arrivals;
  remember(frame);
  attack(frame, arrivals);
  const auto to = host_at(frame.to.address);
  if (!to) return arrivals;
  const auto cut = partitions_.find({host, *to});
  if (cut != partitions_.end() && now < cut->second) return arrivals;
  const auto* octets = std::get_if<Bytes>(&frame.body);
  if (octets && octets->size() + kUdpOverhead > quality.mtu) return arrivals;
  if (random_.per_mille(quality.loss)) return arrivals;
  if (random_.per_mille(quality.duplication)) route(Frame(frame), arrivals);
  route(std::move(frame), arrivals);
  return arrivals;
}

void Network::remember(const Frame& frame) {
  seen_.push_back(frame);
  if (seen_.size() > kMemory) seen_.pop_front();
}

void Network::attack(const Frame& frame, std::vector<Arrival>& arrivals) {
  if (random_.per_mille(adversary.replay)) route(Frame(random_.pick(seen_)), arrivals);
  const auto* octets = std::get_if<Bytes>(&frame.body);
  if (!octets) return;
  const auto altered = [&](auto&& change) {
    Frame copy = frame;
    Bytes& body = std::get<Bytes>(copy.body);
    change(body);
    copy.authentic = body == *octets;
    route(std::move(copy), arrivals);
  };
  if (random_.per_mille(adversary.truncate))
    altered([&](Bytes& body) { body.resize(random_.below(body.size() + 1)); });
  if (random_.per_mille(adversary.flip))
    altered([&](Bytes& body) {
      for (auto flips = random_.between(1, 3); flips > 0 && !body.empty(); --flips)
        body[random_.below(body.size())] ^= static_cast<std::uint8_t>(1u << random_.below(8));
    });
  if (random_.per_mille(adversary.spoof)) {
    Frame copy = frame;  // the true octets from a false place
    copy.from = {random_.pick(hosts_).address,
                 static_cast<std::uint16_t>(random_.percent(50) ? kNatTPort : 1'024)};
    route(std::move(copy), arrivals);
  }
  if (random_.per_mille(adversary.forge)) route(forge(frame), arrivals);
}

// A message of the adversary's own that answers or resembles one that it saw.
Frame Network::forge(const Frame& seen) {
  using wire::NotifyType;
  Frame forged = seen;
  forged.authentic = false;
  Bytes& body = std::get<Bytes>(forged.body);
  const auto header = wire::peek_header(body);
  if (!header || random_.percent(25)) {
    body.resize(random_.below(200));
    random_.fill(body);
    return forged;
  }
  static constexpr NotifyType kLies[] = {NotifyType::no_proposal_chosen,
                                         NotifyType::authentication_failed,
                                         NotifyType::cookie,
                                         NotifyType::invalid_ke_payload,
                                         NotifyType::invalid_ike_spi,
                                         NotifyType::invalid_syntax};
  wire::Header lie = *header;
  lie.initiator = !header->initiator;
  lie.response = !header->response;
  if (random_.percent(30)) lie.spi_r = random_.next();
  Bytes data(random_.percent(50) ? 2 : random_.below(70));
  random_.fill(data);
  const wire::Payload payload{
      wire::PayloadType::notify,
      wire::Notify{wire::ProtocolId::none, {}, kLies[random_.below(std::size(kLies))], data}};
  body = wire::encode_message(lie, {&payload, 1});
  std::swap(forged.from, forged.to);
  return forged;
}

std::vector<Network::Arrival> Network::flood(std::size_t count) {
  std::vector<Arrival> arrivals;
  const auto pattern = std::ranges::find_if(seen_, is_first_request);
  if (pattern == seen_.end()) return arrivals;
  for (std::size_t i = 0; i < count; ++i) {
    Frame copy = *pattern;
    copy.authentic = false;
    // The initiator's SPI comes first in the header.
    random_.fill(MutableBytes(std::get<Bytes>(copy.body)).first(8));
    Bytes nobody = to_bytes(copy.to.address.bytes());
    random_.fill(MutableBytes(nobody).last(3));
    copy.from = {IpAddress::from_bytes(nobody), kIkePort};
    route(std::move(copy), arrivals);
  }
  return arrivals;
}

}  // namespace culvert::sim
