// Owns the Configuration payload's meaning. Invariant: an address that was granted to a peer stands
// in the `assigned` of an IKE SA, which gives it back when the last of its line ends.
#include "ikev2/configuration.h"

#include <algorithm>

#include "ikev2/establishment.h"

namespace culvert::ikev2 {
namespace {

using wire::ConfigAttribute;
using wire::NotifyType;
using wire::PayloadType;

constexpr std::uint8_t kHostPrefix = 128;

const wire::Configuration* find_configuration(std::span<const wire::Payload> payloads,
                                              wire::ConfigType type) {
  const auto* found = wire::find<wire::Configuration>(payloads, PayloadType::cp);
  return found && found->type == type ? found : nullptr;
}

ConfigAttribute type_of(const wire::ConfigurationAttribute& attribute) {
  return ConfigAttribute{attribute.type};
}

bool asks_for(const wire::Configuration& request, ConfigAttribute type) {
  return std::ranges::find(request.attributes, type, type_of) != request.attributes.end();
}

void add(wire::Configuration& to, ConfigAttribute type, Bytes value) {
  to.attributes.push_back({static_cast<std::uint16_t>(type), std::move(value)});
}

// RFC 7296, 3.15.1: an IPv6 address is followed by the length of its prefix.
Bytes address_octets(const IpAddress& address) {
  Bytes octets;
  Writer writer(octets);
  writer.bytes(address.bytes());
  if (address.is_v6()) writer.u8(kHostPrefix);
  return octets;
}

IpAddress read_address(ByteView value) {
  if (value.size() == 17) value = value.first(16);
  return value.size() == 4 || value.size() == 16 ? IpAddress::from_bytes(value) : IpAddress{};
}

// Something that a machine can have: what a peer says must not reach into loopback or multicast.
bool is_host_address(const IpAddress& address) {
  const auto& octets = address.raw();
  if (address.is_unspecified()) return false;
  if (address.is_v4()) return octets[0] != 0 && octets[0] != 127 && octets[0] < 224;
  const bool link_local = octets[0] == 0xfe && (octets[1] & 0xc0) == 0x80;
  return octets[0] != 0xff && !link_local && address != IpAddress::any(Family::v6).next();
}

// ---- responder ----

// Each address that is asked for; an unspecified one stands for any of its family.
std::vector<IpAddress> wanted_addresses(const wire::Configuration& request) {
  std::vector<IpAddress> wanted;
  for (const auto& attribute : request.attributes) {
    const bool v4 = type_of(attribute) == ConfigAttribute::internal_ip4_address;
    if (!v4 && type_of(attribute) != ConfigAttribute::internal_ip6_address) continue;
    if (wanted.size() == limits::kMaxAssignedAddresses) break;
    const Family family = v4 ? Family::v4 : Family::v6;
    const IpAddress named = read_address(attribute.value);
    wanted.push_back(named.family() == family ? named : IpAddress::any(family));
  }
  return wanted;
}

// From the connection's pools, or because the peer's login brings some.
bool gives_addresses(const IkeSa& sa, const AuthExchange& exchange) {
  const auto& login = exchange.authorization;
  return !sa.connection->pools.empty() ||
         (login &&
          (!login->addresses.empty() || !login->pool.empty() || !login->ipv6_pool.empty()));
}

// What an AAA server says comes before what the connection says.
void add_granted(const radius::Authorization& login, LeaseRequest& request) {
  request.given = login.addresses;
  request.settings.dns = login.dns;
  request.settings.nbns = login.nbns;
  std::vector<std::string> pools;
  for (const std::string& pool : {login.pool, login.ipv6_pool})
    if (!pool.empty()) pools.push_back(pool);
  request.pools.insert(request.pools.begin(), pools.begin(), pools.end());
}

// Whom leases belong to: who logs in by EAP; else IKE's identity, which is proven then.
std::string lease_identity(const IkeSa& sa) {
  return sa.eap_user.empty() ? to_string(sa.remote_id) : sa.eap_user;
}

LeaseRequest lease_request(Host& host, const IkeSa& sa, const AuthExchange& exchange,
                           std::vector<IpAddress>&& wanted) {
  const bool initial_contact =
      wire::find_notify(exchange.request, NotifyType::initial_contact) != nullptr;
  LeaseRequest request;
  request.pools = sa.connection->pools;
  request.identity = lease_identity(sa);
  request.wanted = std::move(wanted);
  const Unique unique = sa.connection->unique;
  request.replaces = unique == Unique::replace || (initial_contact && unique != Unique::never);
  request.renewable = host.renewable_addresses(sa, request.replaces);
  if (exchange.authorization) add_granted(*exchange.authorization, request);
  return request;
}

template <class Values, class Encode>
void add_all(const wire::Configuration& request, const Values& values, ConfigAttribute v4,
             ConfigAttribute v6, Encode encode, wire::Configuration& reply) {
  for (const auto& value : values) {
    const auto& [type, octets] = encode(value, v4, v6);
    if (asks_for(request, type)) add(reply, type, octets);
  }
}

std::pair<ConfigAttribute, Bytes> encode_address(const IpAddress& address, ConfigAttribute v4,
                                                 ConfigAttribute v6) {
  return {address.is_v4() ? v4 : v6, to_bytes(address.bytes())};
}

// RFC 7296, 3.15.1: IPv4 with a netmask, IPv6 with the length of the prefix.
std::pair<ConfigAttribute, Bytes> encode_subnet(const Prefix& subnet, ConfigAttribute v4,
                                                ConfigAttribute v6) {
  Bytes octets = to_bytes(subnet.address.bytes());
  if (subnet.address.is_v6()) {
    octets.push_back(subnet.length);
    return {v6, octets};
  }
  append(octets, Prefix::make(IpAddress::max(Family::v4), subnet.length).address.bytes());
  return {v4, octets};
}

// ---- initiator ----

// What we have to ask for: where we authenticate anew, the addresses that we have.
std::vector<IpAddress> addresses_to_request(Host& host, const IkeSa& sa) {
  std::vector<IpAddress> wanted = sa.connection->vips;
  const IkeSa* old = host.find(sa.replaces);
  if (!old || !old->assigned || !old->assigned->ours) return wanted;
  std::vector<IpAddress> had = old->assigned->addresses;
  for (IpAddress& one : wanted) {
    const auto same = std::ranges::find(had, one.family(), &IpAddress::family);
    if (!one.is_unspecified() || same == had.end()) continue;
    one = *same;
    had.erase(same);
  }
  return wanted;
}

bool wants_family(const IkeSa& sa, Family family) {
  const auto& vips = sa.connection->vips;
  return std::ranges::find(vips, family, &IpAddress::family) != vips.end();
}

// RFC 8598, 4.1: a name without a final zero octet, in ASCII.
void read_domain(ByteView value, HostSettings& to) {
  const std::string_view name = as_text(value);
  if (is_domain(name) && to.domains.size() < limits::kMaxAssignedDomains)
    to.domains.emplace_back(name);
}

void read_server(ByteView value, std::vector<IpAddress>& to) {
  const IpAddress server = read_address(value);
  if (is_host_address(server) && to.size() < limits::kMaxAssignedAddresses) to.push_back(server);
}

void read_attribute(const IkeSa& sa, const wire::ConfigurationAttribute& attribute, Assigned& to) {
  switch (type_of(attribute)) {
    case ConfigAttribute::internal_ip4_address:
    case ConfigAttribute::internal_ip6_address: {
      const IpAddress address = read_address(attribute.value);
      if (is_host_address(address) && wants_family(sa, address.family()) &&
          to.addresses.size() < limits::kMaxAssignedAddresses)
        to.addresses.push_back(address);
      return;
    }
    case ConfigAttribute::internal_ip4_dns:
    case ConfigAttribute::internal_ip6_dns:
      return read_server(attribute.value, to.settings.dns);
    case ConfigAttribute::internal_dns_domain:
      return read_domain(attribute.value, to.settings);
    default:
      return;
  }
}

// ---- both ----

bool is_being_assigned(const IkeSa& sa) {
  return sa.is_initiator() && !sa.in<Established>() && !sa.connection->vips.empty();
}

}  // namespace

// ---- responder ----

void conclude_authentication(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange,
                             Payloads&& proof, TimePoint now) {
  const auto* request = find_configuration(exchange->request, wire::ConfigType::request);
  auto wanted = request ? wanted_addresses(*request) : std::vector<IpAddress>();
  if (wanted.empty() || !gives_addresses(sa, *exchange))
    return establish_as_responder(host, sa, *exchange, std::move(proof), now);
  exchange->proof = std::move(proof);
  LeaseRequest lease = lease_request(host, sa, *exchange, std::move(wanted));
  sa.state = AddressPending{std::move(exchange), host.lease_addresses(sa, std::move(lease))};
}

void addresses_leased(Host& host, IkeSa& sa, JobId job, LeaseGrant&& grant, TimePoint now) {
  auto* pending = sa.in<AddressPending>();
  if (!pending || pending->job != job) return;
  const auto exchange = std::move(pending->exchange);
  if (!grant.addresses.empty())
    sa.assigned = std::make_shared<const Assigned>(
        Assigned{std::move(grant.addresses), std::move(grant.settings), false, sa.unique_id});
  exchange->address_refusal = std::move(grant.refusal);
  establish_as_responder(host, sa, *exchange, std::move(exchange->proof), now);
}

bool add_configuration_reply(Host& host, IkeSa& sa, const AuthExchange& exchange,
                             Payloads& payloads) {
  if (!gives_addresses(sa, exchange)) return true;
  const auto* request = find_configuration(exchange.request, wire::ConfigType::request);
  if (!sa.assigned) {
    const bool asked = request && !wanted_addresses(*request).empty();
    payloads.push_back(
        make_notify(asked ? NotifyType::internal_address_failure : NotifyType::failed_cp_required));
    if (asked)
      emit(host, sa, trace::PoolExhausted{lease_identity(sa), exchange.address_refusal});
    else
      emit(host, sa, trace::AddressNotRequested{});
    return false;
  }
  wire::Configuration reply{wire::ConfigType::reply, {}};
  for (const IpAddress& address : sa.assigned->addresses)
    add(reply,
        address.is_v4() ? ConfigAttribute::internal_ip4_address
                        : ConfigAttribute::internal_ip6_address,
        address_octets(address));
  const HostSettings& settings = sa.assigned->settings;
  add_all(*request, settings.dns, ConfigAttribute::internal_ip4_dns,
          ConfigAttribute::internal_ip6_dns, encode_address, reply);
  add_all(*request, settings.nbns, ConfigAttribute::internal_ip4_nbns,
          ConfigAttribute::internal_ip6_nbns, encode_address, reply);
  add_all(*request, settings.p_cscf, ConfigAttribute::p_cscf_ip4_address,
          ConfigAttribute::p_cscf_ip6_address, encode_address, reply);
  add_all(*request, settings.subnets, ConfigAttribute::internal_ip4_subnet,
          ConfigAttribute::internal_ip6_subnet, encode_subnet, reply);
  if (asks_for(*request, ConfigAttribute::internal_dns_domain))
    for (const std::string& domain : settings.domains)
      add(reply, ConfigAttribute::internal_dns_domain, to_bytes(as_bytes(domain)));
  payloads.emplace_back(PayloadType::cp, std::move(reply));
  std::string addresses;
  for (const IpAddress& address : sa.assigned->addresses)
    addresses += (addresses.empty() ? "" : ", ") + address.to_string();
  emit(host, sa, trace::AddressLeased{lease_identity(sa), std::move(addresses)});
  return true;
}

// ---- initiator ----

void add_configuration_request(Host& host, const IkeSa& sa, Payloads& payloads) {
  if (sa.connection->vips.empty()) return;
  wire::Configuration request{wire::ConfigType::request, {}};
  for (const IpAddress& address : addresses_to_request(host, sa))
    add(request,
        address.is_v4() ? ConfigAttribute::internal_ip4_address
                        : ConfigAttribute::internal_ip6_address,
        address.is_unspecified() ? Bytes() : address_octets(address));
  if (wants_family(sa, Family::v4)) add(request, ConfigAttribute::internal_ip4_dns, {});
  if (wants_family(sa, Family::v6)) add(request, ConfigAttribute::internal_ip6_dns, {});
  add(request, ConfigAttribute::internal_dns_domain, {});
  payloads.emplace_back(PayloadType::cp, std::move(request));
}

std::expected<void, trace::Body> accept_configuration(IkeSa& sa,
                                                      std::span<const wire::Payload> payloads) {
  if (sa.connection->vips.empty()) return {};
  Assigned assigned{{}, {}, true, sa.unique_id};
  if (const auto* reply = find_configuration(payloads, wire::ConfigType::reply))
    for (const auto& attribute : reply->attributes) read_attribute(sa, attribute, assigned);
  if (assigned.addresses.empty()) {
    const bool tried = wire::find_notify(payloads, NotifyType::internal_address_failure) != nullptr;
    return std::unexpected(
        trace::NoAddressAssigned{tried ? "it has none left for us" : "it does not assign any"});
  }
  sa.assigned = std::make_shared<const Assigned>(std::move(assigned));
  return {};
}

// ---- both ----

std::vector<TrafficSelector> local_selectors(const IkeSa& sa, const ChildConfig& child) {
  if (sa.assigned && sa.assigned->ours) return resolve(child.local, sa.assigned->addresses);
  if (!is_being_assigned(sa)) return resolve(child.local, sa.local.address);
  std::vector<IpAddress> any;
  for (const Family family : {Family::v4, Family::v6})
    if (wants_family(sa, family)) any.push_back(IpAddress::any(family));
  return resolve(child.local, any);
}

std::vector<TrafficSelector> remote_selectors(const IkeSa& sa, const ChildConfig& child) {
  if (sa.assigned && !sa.assigned->ours) return resolve(child.remote, sa.assigned->addresses);
  // Who is to have an address of ours has no tunnel without one.
  if (!sa.connection->pools.empty()) return resolve(child.remote, std::vector<IpAddress>{});
  return resolve(child.remote, sa.remote.address);
}

}  // namespace culvert::ikev2
