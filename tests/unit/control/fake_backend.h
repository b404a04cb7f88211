// A daemon without IKE: remembers what it was asked, answers when the test says so.
#pragma once

#include <map>
#include <vector>

#include "control/backend.h"
#include "crypto/openssl_provider.h"

namespace culvert::control {

class FakeBackend : public Backend {
 public:
  void execute(Command&& command, Done done) override {
    if (auto* load = std::get_if<LoadConnection>(&command))
      by_name[load->connection->name] = load->connection;
    if (auto* unload = std::get_if<UnloadConnection>(&command)) by_name.erase(unload->name);
    const bool waits = std::holds_alternative<Initiate>(command) && hold_initiate;
    executed.push_back(std::move(command));
    if (!done) return;
    if (waits)
      held.push_back(std::move(done));
    else
      done({CommandId{executed.size()}, explanation.empty(), explanation});
  }
  TimePoint now() const override { return TimePoint(std::chrono::seconds(1'000)); }
  std::vector<IkeSaStatus> list_sas() const override { return sas; }
  std::vector<PolicyStatus> list_policies() const override { return policies; }
  ShardStatistics statistics() const override { return {sas.size(), 0, 0}; }
  std::optional<SaPairCounters> counters(SaPairId pair) const override {
    SaPairCounters counters;
    counters.in = {1'000 + pair.value, 10, now() - std::chrono::seconds(3)};
    counters.out = {2'000 + pair.value, 20, TimePoint::min()};
    return counters;
  }
  std::vector<ConnectionRef> connections() const override {
    std::vector<ConnectionRef> all;
    for (const auto& [name, connection] : by_name) all.push_back(connection);
    return all;
  }
  ConnectionRef connection(const std::string& name) const override {
    const auto found = by_name.find(name);
    return found == by_name.end() ? nullptr : found->second;
  }
  std::optional<Failure> last_failure(const std::string& name) const override {
    return failures.find(name);
  }
  CounterBook& counter_book() override { return counted; }
  std::expected<pki::CertificateRef, std::string> parse_certificate(ByteView) override {
    return std::unexpected("no certificate");
  }
  void load_certificate(LoadCertificate certificate) override {
    certificates.push_back(std::move(certificate));
  }
  std::expected<void, std::string> load_crl(ByteView) override { return {}; }
  std::expected<KeyId, std::string> load_key(ByteView file) override {
    if (file.empty()) return std::unexpected("is empty");
    return KeyId{1};
  }
  void forget_key(const KeyId&) override {}
  void clear_certificates() override {}
  const LeaseBook& leases() const override { return book; }
  std::expected<void, std::string> load_pool(PoolRef pool) override {
    return book.load(std::move(pool));
  }
  std::expected<void, std::string> unload_pool(const std::string& name) override {
    if (!book.unload(name)) return std::unexpected("not found");
    return {};
  }
  const Provider& crypto() const override { return *provider; }
  std::vector<std::string> describe_data_plane() const override { return {"fake"}; }
  std::vector<std::pair<std::string, std::uint64_t>> event_counts() const override {
    return {{"ike_established", 2}, {"no_answer", 0}};
  }
  unsigned threads() const override { return 2; }
  std::expected<std::vector<std::string>, std::string> reload() override { return changes; }

  std::vector<Command> executed;
  std::vector<LoadCertificate> certificates;
  std::vector<Done> held;
  bool hold_initiate = false;
  std::string explanation;  // of failures; empty: everything succeeds
  std::map<std::string, ConnectionRef> by_name;
  std::vector<IkeSaStatus> sas;
  std::vector<PolicyStatus> policies;
  FailureBook failures;
  LeaseBook book;
  CounterBook counted;
  std::vector<std::string> changes;  // of a reload
  std::unique_ptr<Provider> provider = make_openssl_provider();
};

// An established SA with one child, as a responder behind a NAT has it.
inline IkeSaStatus example_sa(const std::string& name, std::uint32_t id) {
  IkeSaStatus sa;
  sa.name = name;
  sa.unique_id = id;
  sa.state = "ESTABLISHED";
  sa.local = {*IpAddress::parse("192.0.2.1"), 4'500};
  sa.remote = {*IpAddress::parse("192.0.2.2"), 4'500};
  sa.local_id = "moon.example.org";
  sa.remote_id = "sun.example.org";
  sa.initiator = true;
  sa.spi_i = 0x0123456789abcdefull;
  sa.spi_r = 0xfeull;
  sa.nat_remote = true;
  sa.suite = {{Encr::aes_cbc, 256, Integ::hmac_sha2_256_128}, Prf::hmac_sha2_256, Ke::x25519, {}};
  sa.established = TimePoint(std::chrono::seconds(900));
  sa.rekey_at = TimePoint(std::chrono::seconds(10'000));
  sa.tasks_active = {"CHILD_CREATE"};
  ChildSaStatus child;
  child.name = "net";
  child.unique_id = id + 100;
  child.reqid = 7;
  child.state = "INSTALLED";
  child.udp_encap = true;
  child.spi_in = 0xc0ffee;
  child.spi_out = 0xdeadbeef;
  child.suite = {{Encr::aes_gcm_16, 128, Integ::none}, Prf::none, Ke::none, Esn::yes};
  child.pair = SaPairId{id};
  child.local_ts = resolve({*parse_selector("10.1.0.0/16")}, IpAddress());
  child.remote_ts = resolve({*parse_selector("10.2.0.0/16")}, IpAddress());
  child.installed = TimePoint(std::chrono::seconds(950));
  child.rekey_at = TimePoint(std::chrono::seconds(4'000));
  child.expires_at = TimePoint(std::chrono::seconds(4'400));
  sa.children.push_back(child);
  return sa;
}

}  // namespace culvert::control
