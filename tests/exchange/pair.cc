#include "tests/exchange/pair.h"

namespace culvert::exchange_test {
namespace {

std::vector<SelectorConfig> selectors(const std::string& text) { return {*parse_selector(text)}; }

struct Take {
  Gateway& gateway;
  std::vector<InTransit>& queue;
  void operator()(Transmit& out) const {
    Endpoint from = out.local;
    if (from.address.is_unspecified()) from.address = gateway.address;
    queue.push_back({from, out.remote, std::move(out.payload)});
  }
  void operator()(SadOp& op) const {
    if (auto* install = std::get_if<InstallSa>(&op)) {
      const std::pair key{install->pair, install->direction};
      gateway.operations_log.push_back(
          InstallSa{.pair = install->pair, .direction = install->direction, .spi = install->spi});
      gateway.sad[key] = std::move(*install);
      return;
    }
    if (auto* erase = std::get_if<DeleteSa>(&op))
      gateway.sad.erase({erase->pair, erase->direction});
    if (auto* policy = std::get_if<InstallPolicy>(&op)) gateway.policies[policy->policy] = *policy;
    if (auto* update = std::get_if<UpdatePolicy>(&op))
      gateway.policies.at(update->policy).pair = update->pair;
    if (auto* policy = std::get_if<DeletePolicy>(&op)) gateway.policies.erase(policy->policy);
    gateway.operations_log.push_back(std::move(op));
  }
  void operator()(trace::Event& event) const { gateway.events.push_back(std::move(event)); }
  void operator()(CommandDone& done) const { gateway.commands.push_back(std::move(done)); }
  void operator()(UpDown& change) const { gateway.up_downs.push_back(std::move(change)); }
  void operator()(SaNews& news) const { gateway.news.push_back(std::move(news)); }
  void operator()(ResolvePeer&) const {}
  void operator()(AskLastUse& question) const { gateway.asked_use.push_back(question.pair); }
  void operator()(FindPaths& question) const { gateway.path_questions.push_back(question); }
  void operator()(MakeSignature& wanted) const { gateway.to_sign.push_back(std::move(wanted)); }
  void operator()(LeaseAddresses& wanted) const { gateway.leases_wanted.push_back(wanted); }
  void operator()(ReleaseAddresses& given) const {
    for (const IpAddress& address : given.addresses) gateway.leases.release(address);
  }
  void operator()(AssignAddresses& own) const { gateway.assigned[own.holder] = own; }
  void operator()(FetchEvidence& wanted) const { gateway.to_fetch.push_back(std::move(wanted)); }
  void operator()(AskAaa& asked) const { gateway.aaa_questions.push_back(std::move(asked)); }
  void operator()(SessionBegan& session) const { gateway.sessions_begun.push_back(session); }
  void operator()(SessionUses& use) const { gateway.session_pairs.push_back(use); }
  void operator()(SessionEnded& session) const { gateway.sessions_ended.push_back(session); }
  void operator()(SequenceNumberUsed& used) const { gateway.numbers_used.push_back(used); }
  void operator()(Keepalive& due) const { gateway.keepalives.push_back(std::move(due)); }
  void operator()(WaitUntil&) const {}
};

}  // namespace

Gateway::Gateway(const std::string& address_text, ShardOptions options)
    : address(*IpAddress::parse(address_text)), provider(make_openssl_provider()) {
  options.verbose_messages = true;
  shard = std::make_unique<Shard>(options, *provider);
}

void Gateway::load(ConnectionConfig connection, TimePoint now) {
  shard->command(LoadConnection{std::make_shared<const ConnectionConfig>(std::move(connection))},
                 now);
}

void Gateway::load_psk(const std::string& id, std::string_view secret,
                       std::vector<std::string> owners, TimePoint now) {
  SharedSecret psk;
  psk.id = id;
  psk.secret = SecretBytes(as_bytes(secret));
  for (const std::string& owner : owners) psk.owners.push_back(*parse_identity(owner));
  shard->command(LoadSecret{std::move(psk)}, now);
}

const CommandDone* Gateway::done(std::uint64_t id) const {
  for (const CommandDone& one : commands)
    if (one.id.value == id) return &one;
  return nullptr;
}

Pair::Pair(ShardOptions options_a, ShardOptions options_b, const std::string& address_a,
           const std::string& address_b)
    : a(address_a, options_a), b(address_b, options_b) {}

TimePoint Pair::drain(Gateway& gateway) {
  for (;;) {
    Output output = gateway.shard->poll(now);
    if (const auto* wait = std::get_if<WaitUntil>(&output)) return wait->deadline;
    std::vector<InTransit> out;
    std::visit(Take{gateway, out}, output);
    while (gateway.answer_leases && !gateway.leases_wanted.empty()) {
      const LeaseAddresses wanted = std::move(gateway.leases_wanted.front());
      gateway.leases_wanted.pop_front();
      gateway.shard->complete(wanted.job, gateway.leases.lease(wanted.request), now);
    }
    for (InTransit& one : out) {
      sent.push_back(one);
      for (InTransit& arriving : wire(std::move(one))) queue_.push_back(std::move(arriving));
    }
  }
}

void Pair::deliver(const InTransit& one) {
  Gateway& gateway = one.to.address == a.address ? a : b;
  if (one.to.address == gateway.address)
    gateway.shard->receive({one.to, one.from, one.payload}, now);
}

void Pair::run() {
  for (int rounds = 0; rounds < 10'000; ++rounds) {
    drain(a);
    drain(b);
    if (queue_.empty()) return;
    for (const InTransit& one : std::exchange(queue_, {})) deliver(one);
  }
  FAIL() << "the two never come to rest";
}

void Pair::pass(Duration duration) {
  const TimePoint end = now + duration;
  run();
  while (now < end) {
    now = std::min(end, std::max(now + Duration(1), std::min(drain(a), drain(b))));
    run();
  }
}

ConnectionConfig site(bool first, const std::string& ike, const std::string& esp) {
  const char* const ends[] = {"192.0.2.1", "192.0.2.2"};
  const char* const nets[] = {"10.1.0.0/16", "10.2.0.0/16"};
  ConnectionConfig connection;
  connection.name = "site";
  connection.local_addrs = {*parse_address_pattern(ends[first ? 0 : 1])};
  connection.remote_addrs = {*parse_address_pattern(ends[first ? 1 : 0])};
  connection.proposals = {*parse_proposal(ike, wire::ProtocolId::ike)};
  ChildConfig child;
  child.name = "net";
  child.local = selectors(nets[first ? 0 : 1]);
  child.remote = selectors(nets[first ? 1 : 0]);
  child.proposals = {*parse_proposal(esp, wire::ProtocolId::esp)};
  connection.children = {child};
  return connection;
}

ConnectionConfig site_with_lab(bool first, const std::string& esp) {
  ConnectionConfig connection = site(first);
  ChildConfig lab = connection.children[0];
  lab.name = "lab";
  lab.local = selectors(first ? "10.3.0.0/16" : "10.4.0.0/16");
  lab.remote = selectors(first ? "10.4.0.0/16" : "10.3.0.0/16");
  lab.proposals = {*parse_proposal(esp, wire::ProtocolId::esp)};
  connection.children.push_back(lab);
  return connection;
}

void load_site(Pair& pair, const std::string& ike, const std::string& esp) {
  pair.a.load(site(true, ike, esp), pair.now);
  pair.b.load(site(false, ike, esp), pair.now);
  pair.a.load_psk("psk", "a very long secret", {}, pair.now);
  pair.b.load_psk("psk", "a very long secret", {}, pair.now);
}

void initiate(Pair& pair, const std::string& child, std::uint64_t id) {
  pair.a.shard->command(Initiate{{id}, "site", child}, pair.now);
  pair.run();
}

::testing::AssertionResult sads_agree(const Pair& pair) {
  if (pair.a.sad.size() != pair.b.sad.size())
    return ::testing::AssertionFailure()
           << pair.a.sad.size() << " SAs on one side, " << pair.b.sad.size() << " on the other";
  for (const auto& [key, sa] : pair.a.sad) {
    bool found = false;
    for (const auto& [other_key, other] : pair.b.sad)
      found |= other.spi == sa.spi && other.direction != sa.direction &&
               other.cipher == sa.cipher && other.esn == sa.esn && other.mode == sa.mode &&
               other.protocol == sa.protocol && other.cpi == sa.cpi &&
               equal(other.keys.encryption.view(), sa.keys.encryption.view()) &&
               equal(other.keys.integrity.view(), sa.keys.integrity.view()) &&
               other.local_ts == sa.remote_ts && other.remote_ts == sa.local_ts;
    if (!found) return ::testing::AssertionFailure() << "no mirror image of SPI " << sa.spi;
  }
  return ::testing::AssertionSuccess();
}

}  // namespace culvert::exchange_test
