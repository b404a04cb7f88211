// links: sim
// A whole shard with the toy provider: the fuzzer chooses datagrams (many with a header that fits,
// some of a second shard's own making, altered or not), notices, commands and steps of time.
// Properties: no crash, a bounded number of outputs per input, a bounded number of IKE SAs.
#include <cstdlib>
#include <deque>

#include "shard/shard.h"
#include "sim/toy_provider.h"
#include "wire/v2/message.h"

namespace culvert {
namespace {

constexpr std::size_t kMostOutputs = 5'000;
constexpr std::size_t kMostHalfOpen = 64;
constexpr std::size_t kMostSas = kMostHalfOpen + 64;
constexpr std::size_t kQueueLength = 32;

const IpAddress kAddresses[] = {IpAddress::v4(0xc0000201), IpAddress::v4(0xc0000202)};

void require(bool holds) {
  if (!holds) std::abort();
}

// The fuzzer's octets; zeros when they are used up.
class Choices {
 public:
  explicit Choices(ByteView input) : input_(input) {}
  bool empty() const { return input_.empty(); }
  std::uint8_t octet() {
    if (input_.empty()) return 0;
    const std::uint8_t first = input_[0];
    input_ = input_.subspan(1);
    return first;
  }
  std::uint64_t below(std::uint64_t bound) { return octet() % bound; }
  ByteView take(std::size_t most) {
    const ByteView taken = input_.first(std::min(most, input_.size()));
    input_ = input_.subspan(taken.size());
    return taken;
  }

 private:
  ByteView input_;
};

std::shared_ptr<ConnectionConfig> connection(int side) {
  auto config = std::make_shared<ConnectionConfig>();
  config->name = "tunnel";
  config->local_addrs = {{AddressPattern::Kind::range, kAddresses[side], kAddresses[side], {}}};
  config->remote_addrs = {
      {AddressPattern::Kind::range, kAddresses[1 - side], kAddresses[1 - side], {}}};
  config->proposals = {*parse_proposal("aes128gcm16-prfsha256-x25519", wire::ProtocolId::ike),
                       *parse_proposal("aes256-sha256-ecp256", wire::ProtocolId::ike)};
  config->local.id = identity_of(kAddresses[side]);
  config->remote.id = identity_of(kAddresses[1 - side]);
  config->dpd_delay = 10s;
  for (const char* name : {"a", "b"}) {
    ChildConfig child;
    child.name = name;
    const std::string net = std::string(name) == "a" ? ".1.0/24" : ".2.0/24";
    child.local = {*parse_selector((side == 0 ? "10.1" : "10.2") + net)};
    child.remote = {*parse_selector((side == 0 ? "10.2" : "10.1") + net)};
    child.proposals = {*parse_proposal("aes128gcm16-x25519", wire::ProtocolId::esp)};
    config->children.push_back(std::move(child));
  }
  return config;
}

struct Gateway {
  explicit Gateway(int number) : side(number), provider(static_cast<std::uint64_t>(number) + 1) {
    ShardOptions options;
    options.index = static_cast<std::uint8_t>(number);
    options.max_half_open = kMostHalfOpen;
    options.cookie_threshold = 8;
    if (number == 0) options.fragment_size = 150;  // nearly all it sends are fragments
    shard = std::make_unique<Shard>(options, provider);
    shard->command(LoadSecret{{"psk", SecretBytes(as_bytes("secret")), {}}}, now);
    shard->command(LoadConnection{connection(number)}, now);
  }

  void drain() {
    for (std::size_t count = 0;; ++count) {
      require(count < kMostOutputs);
      Output output = shard->poll(now);
      if (std::holds_alternative<WaitUntil>(output)) break;
      if (auto* message = std::get_if<Transmit>(&output)) {
        sent.push_back(std::move(message->payload));
        if (sent.size() > kQueueLength) sent.pop_front();
      }
      if (const auto* operation = std::get_if<SadOp>(&output)) remember(*operation);
      if (const auto* question = std::get_if<FindPaths>(&output))
        shard->complete(question->job, FoundPaths{{kAddresses[side], kAddresses[1 - side]}}, now);
      if (const auto* question = std::get_if<ResolvePeer>(&output))
        shard->complete(question->job, {kAddresses[side], kAddresses[1 - side], {}}, now);
    }
    require(shard->statistics().ike_sas <= kMostSas);
    require(shard->statistics().fragment_octets <= kMostSas * limits::kMaxMessageSize);
  }

  void remember(const SadOp& operation) {
    if (const auto* install = std::get_if<InstallSa>(&operation)) last_pair = install->pair;
    if (const auto* policy = std::get_if<InstallPolicy>(&operation)) last_policy = policy->policy;
  }

  int side;
  TimePoint now{1'000s};
  sim::ToyProvider provider;
  std::unique_ptr<Shard> shard;
  std::deque<Bytes> sent;
  SaPairId last_pair;
  PolicyId last_policy;
};

void deliver(Gateway& to, Choices& choices, ByteView payload) {
  const bool nat_t = choices.below(2) == 1;
  const Endpoint here{kAddresses[to.side], static_cast<std::uint16_t>(nat_t ? 4500 : 500)};
  const Endpoint there{choices.below(8) == 0 ? IpAddress::v4(0x0a000000u + choices.octet())
                                             : kAddresses[1 - to.side],
                       static_cast<std::uint16_t>(nat_t ? 4500 : 500)};
  to.shard->receive({here, there, payload}, to.now);
}

// What the other one has sent: the latest, or an older one, perhaps altered.
void pass_on(Gateway& from, Gateway& to, Choices& choices, bool alter) {
  if (from.sent.empty()) return;
  const std::size_t back = choices.below(from.sent.size());
  Bytes payload = from.sent[from.sent.size() - 1 - back];
  if (alter && !payload.empty()) {
    payload[(choices.octet() * 256u + choices.octet()) % payload.size()] ^= choices.octet();
    if (choices.below(4) == 0) payload.resize(choices.octet() % (payload.size() + 1));
  }
  deliver(to, choices, payload);
}

// The fuzzer's own payloads behind a header with SPIs that the shard knows.
void invent(Gateway& to, Choices& choices) {
  wire::Header header;
  const auto sas = to.shard->list_sas(to.now);
  if (!sas.empty()) {
    const IkeSaStatus& sa = sas[choices.below(sas.size())];
    header.spi_i = sa.spi_i;
    header.spi_r = choices.below(4) == 0 ? 0 : sa.spi_r;
  } else {
    header.spi_i = choices.octet() + 1u;
  }
  header.exchange = wire::ExchangeType{static_cast<std::uint8_t>(34 + choices.below(5))};
  header.initiator = choices.below(2) == 1;
  header.response = choices.below(2) == 1;
  header.message_id = static_cast<std::uint32_t>(choices.below(4));
  header.next_payload = wire::PayloadType{static_cast<std::uint8_t>(33 + choices.below(22))};
  const ByteView body = choices.take(choices.octet() * 4u);
  header.length = static_cast<std::uint32_t>(wire::kHeaderSize + body.size());
  Bytes datagram;
  Writer writer(datagram);
  wire::encode_header(header, writer);
  writer.bytes(body);
  deliver(to, choices, datagram);
}

void give_command(Gateway& to, Choices& choices) {
  const CommandId id{choices.octet() + 1u};
  const std::string child = std::array{"", "a", "b", "none"}[choices.below(4)];
  Command command = ClearSecrets{};
  switch (choices.below(9)) {
    case 0:
    case 1:
    case 2:
      command = Initiate{id, "tunnel", child};
      break;
    case 3:
      command = Terminate{id, "tunnel", child, 0, 0, choices.below(2) == 1};
      break;
    case 4:
      command = Rekey{id, "tunnel", child};
      break;
    case 5:
      command = choices.below(2) == 0 ? Command(InstallTrap{id, "tunnel", child})
                                      : Command(UninstallTrap{id, "tunnel", child});
      break;
    case 6:
      command = UnloadConnection{id, "tunnel"};
      break;
    case 7:
      command = LoadConnection{connection(to.side)};
      break;
    default:
      if (choices.below(8) == 0) command = Shutdown{id, to.now + 10s};
      break;
  }
  to.shard->command(std::move(command), to.now);
}

void give_notice(Gateway& to, Choices& choices) {
  const SaPairId pair{to.last_pair.value - choices.below(3)};
  switch (choices.below(5)) {
    case 0:
      return to.shard->notice(Acquire{{to.last_policy.value - choices.below(3)}, {}, {}}, to.now);
    case 1:
      return to.shard->notice(Expire{pair, Direction::in, choices.below(2) == 1}, to.now);
    case 2:
      return to.shard->notice(MappingChange{pair, {kAddresses[1], choices.octet()}}, to.now);
    case 3:
      return to.shard->notice(Activity{pair}, to.now);
    default:
      return to.shard->refused({pair, {}, {}}, to.now);
  }
}

void step(Gateway& one, Gateway& other, Choices& choices) {
  switch (choices.below(8)) {
    case 0:
    case 1:
    case 2:
      pass_on(other, one, choices, false);
      break;
    case 3:
      pass_on(other, one, choices, true);
      break;
    case 4:
      invent(one, choices);
      break;
    case 5:
      give_command(one, choices);
      break;
    case 6:
      give_notice(one, choices);
      break;
    default:
      one.now += choices.octet() * 100ms;
      break;
  }
  one.drain();
}

}  // namespace
}  // namespace culvert

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  culvert::Choices choices({data, size});
  culvert::Gateway left(0), right(1);
  left.drain();
  right.drain();
  for (int steps = 0; steps < 400 && !choices.empty(); ++steps) {
    const bool swapped = choices.below(2) == 1;
    culvert::step(swapped ? right : left, swapped ? left : right, choices);
  }
  return 0;
}
