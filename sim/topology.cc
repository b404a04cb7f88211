#include "sim/topology.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/credentials.h"

namespace culvert::sim {
namespace {

constexpr std::string_view kIkeProposals[] = {
    "aes128gcm16-prfsha256-x25519",
    "aes256-sha256-modp2048",
    "chacha20poly1305-prfsha512-curve25519",
    "aes128ctr-sha1-prfsha1-modp3072",
    "aes256ccm16-prfaesxcbc-ecp384",
    "aes192-aes128-sha512-sha256-ecp521-x448-ecp256",
    "aes256gcm16-aes128gcm16-prfsha384-prfsha256-ecp256-x25519",
    "aes128-aescmac-prfaescmac-ecp256"};
constexpr std::string_view kEspProposals[] = {
    "aes128gcm16",        "aes256-sha256",           "chacha20poly1305",
    "aes128gcm16-x25519", "aes256-sha1-modp2048",    "aes256gcm16-aes128gcm16-ecp256-x25519",
    "aes128-sha256-esn",  "aes128ctr-aesxcbc-ecp384"};
constexpr std::string_view kAhProposals[] = {"sha256", "sha512-x25519", "sha1-esn", "aesxcbc"};
// Nothing above agrees with these.
constexpr std::string_view kOtherIke = "aes256ccm8-prfsha512-modp8192";
constexpr std::string_view kOtherEsp = "aes256ccm8-noesn";

struct Habits {  // of a whole run
  bool ipv6 = false, host_names = false, any_addresses = false, limits = false, rekeys = false;
  bool steady = false;  // nothing is wrong with the configuration, and whoever can keeps it up
  bool udp_always = false, address_ids = false, fragments = false;
  bool reauthentication = false, ipcomp = false, ah = false;
  bool transport = false, certificates = false, eap = false;
  bool actions = false;        // what a child does when it ends
  bool idle = false;           // children without traffic end
  bool endings = false;        // the run is about how a tunnel ends
  std::size_t common_ike = 0;  // with host names
};

Proposal proposal_of(std::string_view text, wire::ProtocolId protocol) {
  return parse_proposal(text, protocol).value();
}

IpAddress address_of(const Habits& habits, std::size_t host, bool inside) {
  const char* pattern = habits.ipv6 ? (inside ? "fd00::{}:2" : "2001:db8::{}")
                                    : (inside ? "172.16.{}.2" : "192.0.2.{}");
  return *IpAddress::parse(fmt::format(fmt::runtime(pattern), host + 10));
}

Duration retransmission_time(const RetransmitPolicy& policy) {
  double seconds = 0;
  for (std::uint32_t attempt = 0; attempt <= policy.tries; ++attempt)
    seconds += std::min(
        std::chrono::duration<double>(policy.timeout).count() * std::pow(policy.base, attempt),
        std::chrono::duration<double>(policy.limit).count());
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

void add_host(World& world, Random& random, const Habits& habits, Topology& topology) {
  const std::size_t index = world.hosts().size();
  HostSetup setup;
  setup.name = fmt::format("gw{}", index);
  setup.address = address_of(habits, index, false);
  // AH does not pass a NAT.
  if (index > 0 && !habits.ah && !habits.endings && random.percent(20)) {
    setup.nat.emplace(setup.address, random.between(60s, 180s), random.next());
    setup.address = address_of(habits, index, true);
  }
  ShardOptions& options = setup.options;
  options.index = static_cast<std::uint8_t>(index);
  options.prefer_udp_encap = random.percent(20) && !habits.ah;
  options.retransmit.timeout = random.between(500ms, 4s);
  options.retransmit.tries = static_cast<std::uint32_t>(random.between(2, 5));
  options.check_pfs = random.percent(30);
  options.max_half_open = random.between(8, 200);
  options.cookie_threshold = random.percent(40) ? 0 : random.between(1, 32);
  options.max_half_open_per_address = random.between(2, 32);
  if (habits.endings) {  // no exchange is given up while there is a peer
    options.retransmit.timeout = random.between(500ms, 1s);
    options.retransmit.tries = 9;
    options.retransmit.limit = 6s;
  }
  if (habits.fragments) options.fragment_size = random.between(220, 600);
  setup.clock_start = TimePoint(random.between(0s, 1'000'000s));
  setup.drift_ppm = static_cast<std::int64_t>(random.below(2'001)) - 1'000;
  setup.plane = random.percent(50) ? PlaneKind::kernel : PlaneKind::userspace;
  // All the operations of a restart must fit into the patience of the least patient peer.
  if (random.percent(20)) setup.plane_delay = random.between(1ms, 100ms);
  topology.longest_retransmission =
      std::max(topology.longest_retransmission, retransmission_time(options.retransmit));
  world.add_host(std::move(setup));
}

Identity identity_of_host(const Host& host, const Habits& habits) {
  if (habits.address_ids && !host.setup.nat) return identity_of(host.setup.address);
  return *parse_identity(host.setup.name + ".example");
}

// Of whose words the certificates of a run are.
struct Authorities {
  Authority trusted, stranger;
};

enum class Method : std::uint8_t { psk, certificates, eap };

// One side is a client that logs in by EAP, and the other one can't begin.
constexpr int kClient = 1;

Method method_of(const Habits& habits, Random& random) {
  if (habits.certificates && random.percent(70)) return Method::certificates;
  return habits.eap && random.percent(70) ? Method::eap : Method::psk;
}

void add_certificates(World& world, Authorities& authorities, const Tunnel& tunnel,
                      const Identity (&ids)[2], ConnectionConfig (&connections)[2]) {
  for (int side = 0; side < 2; ++side) {
    Host& host = world.hosts()[tunnel.sides[side].host];
    Authority& authority = side == 1 && tunnel.mismatch == Mismatch::secret ? authorities.stranger
                                                                            : authorities.trusted;
    host.authorities = {authorities.trusted.certificate()};
    host.certificates.push_back(authority.issue(ids[side]));
    ConnectionConfig& connection = connections[side];
    connection.local.kind = connection.remote.kind = AuthKind::pubkey;
    connection.local.certs = {{std::make_shared<const Bytes>(host.certificates.back()->der)}};
  }
}

void add_user(World& world, Random& random, const Tunnel& tunnel,
              ConnectionConfig (&connections)[2]) {
  const std::string name = "user of " + tunnel.name;
  std::string password = fmt::format("{:x}", random.next());
  for (const int side : {1 - kClient, kClient}) {
    if (side == kClient && tunnel.mismatch == Mismatch::secret) password += "?";
    world.hosts()[tunnel.sides[side].host].users.push_back({name, password});
  }
  ConnectionConfig& client = connections[kClient];
  ConnectionConfig& server = connections[1 - kClient];
  client.local.kind = server.remote.kind = AuthKind::eap;
  client.local.eap_methods = server.remote.eap_methods = {"mschapv2"};
  client.local.eap_id = *parse_identity("keyid:" + name);
  server.remote.eap_id = Identity{};
}

void add_secret(World& world, Random& random, Tunnel& tunnel, const Identity (&ids)[2]) {
  Bytes secret(24);
  random.fill(secret);
  for (int side = 0; side < 2; ++side) {
    if (side == 1 && tunnel.mismatch == Mismatch::secret) secret[0] ^= 1;  // of EAP's server, too
    world.hosts()[tunnel.sides[side].host].secrets.push_back(
        {tunnel.name, secret, {ids[0], ids[1]}});
  }
}

AddressPattern pattern_for(const World& world, const Habits& habits, std::size_t peer,
                           Network& network, bool& single) {
  AddressPattern pattern;
  single = !habits.host_names && !habits.any_addresses;
  if (habits.host_names) {
    pattern.kind = AddressPattern::Kind::host_name;
    pattern.host_name = world.hosts()[peer].setup.name;
    return pattern;
  }
  pattern.kind = AddressPattern::Kind::range;
  pattern.first = pattern.last = network.outside_address(peer);
  return pattern;
}

std::vector<Proposal> proposals_for(Random& random, std::string_view common,
                                    std::span<const std::string_view> others,
                                    wire::ProtocolId protocol) {
  std::vector<Proposal> proposals{proposal_of(common, protocol)};
  while (random.percent(30))
    proposals.insert(proposals.begin() + static_cast<long>(random.below(proposals.size() + 1)),
                     proposal_of(random.pick(others), protocol));
  return proposals;
}

SelectorConfig selector(const std::string& text) { return *parse_selector(text); }

// The addresses behind one side of a child: mirrored on both sides but for an occasional wider
// one, which negotiation narrows.
std::string subnet(const Tunnel& tunnel, int side, std::size_t child, bool wide) {
  const std::size_t host = tunnel.sides[side].host + 10, other = tunnel.sides[1 - side].host;
  return fmt::format("10.{}.{}.{}/{}", host, other * 8 + child, wide ? 0 : 64, wide ? 24 : 26);
}

ChildConfig child_config(Random& random, const Habits& habits, const Tunnel& tunnel, int side,
                         std::size_t number, const std::vector<Proposal>& proposals) {
  ChildConfig child;
  child.name = fmt::format("c{}", number);
  child.mode = habits.transport ? Mode::transport : Mode::tunnel;
  child.local = {selector(subnet(tunnel, side, number, random.percent(20)))};
  child.remote = {selector(tunnel.mismatch == Mismatch::selectors && side == 1
                               ? "10.250.0.0/24"
                               : subnet(tunnel, 1 - side, number, random.percent(20)))};
  if (habits.transport) {
    child.local =
        child.remote = {selector(fmt::format("dynamic[udp/{}]", tunnel.children[number].port))};
    if (tunnel.mismatch == Mismatch::selectors && side == 1)
      child.local = child.remote = {selector("dynamic[udp/9]")};
  }
  child.proposals = proposals;
  if (tunnel.mismatch == Mismatch::esp_proposals && side == 1)
    child.proposals = {proposal_of(kOtherEsp, wire::ProtocolId::esp)};
  child.ipcomp = habits.ipcomp && random.percent(70);
  if (!habits.endings && random.percent(30)) child.start_action = StartAction::trap;
  if (habits.actions) {
    child.dpd_action = DpdAction{static_cast<std::uint8_t>(random.below(3))};
    child.close_action = CloseAction{static_cast<std::uint8_t>(random.below(3))};
  }
  if (habits.idle && (habits.endings ? side == 0 : random.percent(60)))
    child.inactivity = random.between(20s, 90s);
  if (habits.limits && random.percent(30)) child.lifetime.life_packets = random.between(20, 60);
  if (habits.limits && random.percent(50)) {
    child.lifetime.rekey_packets = random.between(10, 20);
    child.lifetime.rand_packets = random.below(5);
  }
  if (habits.rekeys && (habits.steady || random.percent(60))) {
    child.lifetime.rekey_time = random.between(40s, 200s);
    child.lifetime.rand_time = random.between(0s, 20s);
    child.lifetime.life_time = child.lifetime.rekey_time * 2;
  }
  return child;
}

void draw_side(World& world, Random& random, const Habits& habits, Tunnel& tunnel, int side,
               std::string_view ike, std::string_view esp, const Identity (&ids)[2],
               ConnectionConfig* connection) {
  TunnelSide& own = tunnel.sides[side];
  const std::size_t peer = tunnel.sides[1 - side].host;
  connection->name = tunnel.name;
  bool single = false;
  connection->remote_addrs = {pattern_for(world, habits, peer, world.network(), single)};
  if (single && (habits.transport || random.percent(70))) {
    const IpAddress here = world.hosts()[own.host].setup.address;
    connection->local_addrs = {{AddressPattern::Kind::range, here, here, {}}};
  }
  connection->proposals = {proposal_of(ike, wire::ProtocolId::ike)};
  if (!habits.host_names)
    connection->proposals = proposals_for(random, ike, kIkeProposals, wire::ProtocolId::ike);
  if (tunnel.mismatch == Mismatch::ike_proposals && side == 1)
    connection->proposals = {proposal_of(kOtherIke, wire::ProtocolId::ike)};
  connection->local.id = ids[side];
  connection->remote.id = tunnel.mismatch == Mismatch::identity && side == 1
                              ? *parse_identity("stranger.example")
                              : ids[1 - side];
  connection->dpd_delay = random.between(5s, 40s);
  connection->encap =
      habits.udp_always && !habits.ah && random.percent(50) ? Encap::always : Encap::automatic;
  connection->unique = random.percent(30) ? Unique::replace : Unique::no;
  connection->rekey_time = habits.rekeys ? random.between(60s, 240s) : Duration{};
  connection->rand_time = habits.rekeys ? random.between(0s, 20s) : Duration{};
  if (habits.reauthentication && random.percent(70)) {
    connection->reauth_time = random.between(60s, 240s);
    connection->over_time = random.between(60s, 120s);
  }
  if (random.percent(20)) connection->childless = Childless::prefer;
  const bool kept = habits.steady || (!habits.idle && random.percent(50));
  connection->keep_up = own.can_initiate && !habits.endings && kept;
  if (habits.endings) {
    connection->keyingtries = 0;
    connection->dpd_delay = random.between(5s, 15s);
  }
  const auto esp_proposals = habits.ah
                                 ? proposals_for(random, esp, kAhProposals, wire::ProtocolId::ah)
                                 : proposals_for(random, esp, kEspProposals, wire::ProtocolId::esp);
  for (std::size_t child = 0; child < tunnel.children.size(); ++child)
    connection->children.push_back(
        child_config(random, habits, tunnel, side, child, esp_proposals));
}

void add_tunnel(World& world, Random& random, const Habits& habits, std::size_t a, std::size_t b,
                Authorities& authorities, Topology& topology) {
  Tunnel tunnel;
  tunnel.name = fmt::format("gw{}-gw{}", a, b);
  tunnel.sides[0].host = a;
  tunnel.sides[1].host = b;
  if (!habits.steady && !habits.endings && random.percent(20))
    tunnel.mismatch = Mismatch{static_cast<std::uint8_t>(random.between(1, 5))};
  for (auto count = random.between(1, 3); count > 0; --count) {
    const std::size_t number = tunnel.children.size();
    TunnelChild child{fmt::format("c{}", number), {}, 0};
    if (habits.transport) child.port = static_cast<std::uint16_t>(4'000 + number);
    for (int side = 0; side < 2; ++side)
      child.inner[side] = *IpAddress::parse(fmt::format("10.{}.{}.77", tunnel.sides[side].host + 10,
                                                        tunnel.sides[1 - side].host * 8 + number));
    tunnel.children.push_back(std::move(child));
  }
  const Identity ids[2] = {identity_of_host(world.hosts()[a], habits),
                           identity_of_host(world.hosts()[b], habits)};
  // A host name fits any address, so that a responder must not have to tell its connections apart
  // by their IKE proposals.
  const std::string_view ike =
      habits.host_names ? kIkeProposals[habits.common_ike] : random.pick(kIkeProposals);
  const std::string_view esp = habits.ah ? random.pick(kAhProposals) : random.pick(kEspProposals);
  const Method method = method_of(habits, random);
  ConnectionConfig connections[2];
  for (int side = 0; side < 2; ++side) {
    const std::size_t peer = tunnel.sides[1 - side].host;
    tunnel.sides[side].can_initiate =
        !world.hosts()[peer].setup.nat.has_value() && (method != Method::eap || side == kClient);
    draw_side(world, random, habits, tunnel, side, ike, esp, ids, &connections[side]);
  }
  if (method == Method::certificates)
    add_certificates(world, authorities, tunnel, ids, connections);
  else
    add_secret(world, random, tunnel, ids);
  if (method == Method::eap) add_user(world, random, tunnel, connections);
  for (int side = 0; side < 2; ++side) {
    TunnelSide& own = tunnel.sides[side];
    own.connection = std::make_shared<const ConnectionConfig>(std::move(connections[side]));
    world.hosts()[own.host].connections[tunnel.name] = own.connection;
  }
  for (const TunnelSide& side : tunnel.sides)
    topology.longest_dpd = std::max(topology.longest_dpd, side.connection->dpd_delay);
  topology.tunnels.push_back(std::move(tunnel));
}

void draw_two_hosts(World& world, Random& random, const Habits& habits, Topology& topology) {
  topology.transport = habits.transport;
  topology.ah = habits.ah;
  Authorities authorities{Authority(random.fork()), Authority(random.fork())};
  for (int host = 0; host < 2; ++host) add_host(world, random, habits, topology);
  add_tunnel(world, random, habits, 0, 1, authorities, topology);
}

}  // namespace

Topology draw_topology(World& world, Random& random) {
  Topology topology;
  Habits habits{.ipv6 = random.percent(30),
                .host_names = random.percent(15),
                .any_addresses = random.percent(20),
                .limits = random.percent(20),
                .rekeys = random.percent(50),
                .udp_always = random.percent(20),
                .address_ids = random.percent(20),
                .fragments = random.percent(30),
                .reauthentication = random.percent(25),
                .ipcomp = random.percent(15),
                .ah = random.percent(10),
                .transport = random.percent(15),
                .certificates = random.percent(30),
                .eap = random.percent(20),
                .actions = random.percent(50),
                .idle = random.percent(15),
                .common_ike = random.below(std::size(kIkeProposals))};
  if (habits.transport) habits.host_names = habits.any_addresses = false;
  topology.ah = habits.ah;
  topology.transport = habits.transport;
  Authorities authorities{Authority(random.fork()), Authority(random.fork())};
  for (auto count = random.percent(60) ? 2 : random.between(3, 5); count > 0; --count)
    add_host(world, random, habits, topology);
  const std::size_t hosts = world.hosts().size();
  for (std::size_t a = 0; a < hosts; ++a)
    for (std::size_t b = a + 1; b < hosts; ++b)
      if (hosts == 2 || random.percent(45)) {
        const bool both_hidden = world.hosts()[a].setup.nat && world.hosts()[b].setup.nat;
        if (!both_hidden) add_tunnel(world, random, habits, a, b, authorities, topology);
      }
  return topology;
}

Topology draw_one_tunnel(World& world, Random& random) {
  Topology topology;
  const Habits habits{.ipv6 = random.percent(30),
                      .rekeys = true,
                      .steady = true,
                      .fragments = random.percent(30),
                      .reauthentication = random.percent(25),
                      .ipcomp = random.percent(15),
                      .certificates = random.percent(20)};
  draw_two_hosts(world, random, habits, topology);
  return topology;
}

Topology draw_ending_tunnel(World& world, Random& random) {
  Topology topology;
  Habits habits{.ipv6 = random.percent(30),
                .rekeys = random.percent(30),
                .ipcomp = random.percent(15),
                .ah = random.percent(15),
                .transport = random.percent(30),
                .certificates = random.percent(20),
                .actions = true,
                .idle = random.percent(30),
                .endings = true};
  habits.udp_always = !habits.ah && random.percent(20);
  if (habits.idle) habits.rekeys = false;  // a new SA counts as used
  draw_two_hosts(world, random, habits, topology);
  return topology;
}

InnerPacket packet_for(World& world, const Tunnel& tunnel, const TunnelChild& child, int from,
                       std::uint64_t id) {
  if (child.port == 0) return {id, child.inner[from], child.inner[1 - from], 17, 4'000, 4'001};
  return {id,
          world.hosts()[tunnel.sides[from].host].setup.address,
          world.network().outside_address(tunnel.sides[1 - from].host),
          17,
          child.port,
          child.port};
}

}  // namespace culvert::sim
