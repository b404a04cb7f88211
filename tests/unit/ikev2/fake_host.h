// A host that records what an IKE SA asks for, and SAs in any state with known keys.
#pragma once

#include <deque>

#include "crypto/openssl_provider.h"
#include "ikev2/host.h"

namespace culvert::ikev2 {

class FakeHost final : public Host {
 public:
  FakeHost() : provider_(make_openssl_provider()) {}
  Provider& provider() override { return *provider_; }
  const IkeOptions& options() const override { return options_; }
  const ConnectionTable& connections() const override { return connections_; }
  const SecretStore& secrets() const override { return secrets_; }
  const eap::UserStore& users() const override { return users_; }
  eap::SubscriberStore& subscribers() override { return subscribers_; }
  Credentials& credentials() override { return credentials_; }
  std::chrono::sys_seconds date(TimePoint) const override { return {}; }
  void transmit(Transmit&& message) override { transmitted.push_back(std::move(message)); }
  void apply(SadOp&& operation) override { operations.push_back(std::move(operation)); }
  void emit(trace::Event&& event) override { events.push_back(std::move(event)); }
  void finished(CommandId, bool success, const std::string&) override {
    results.push_back(success);
  }
  void child_missing(const IkeSa&) override {}
  void child_closing(const IkeSa&, const ChildSa&) override {}
  void up_down(const IkeSa&, bool, std::optional<std::size_t>) override {}
  void ike_rekeyed(const IkeSa&, const IkeSa&) override {}
  void child_rekeyed(const IkeSa&, std::size_t, std::size_t) override {}
  void endpoints_changing(const IkeSa&, const Endpoint&, const Endpoint&) override {}
  void keepalive(Keepalive&&) override {}
  void find_paths(const IkeSa&, std::vector<IpAddress>) override {}
  JobId ask_aaa(const IkeSa&, Bytes, std::unique_ptr<AaaLogin>) override { return {}; }
  SessionId begin_session(const IkeSa&) override { return {++last_}; }
  void own_session(const IkeSa&) override {}
  JobId make_signature(const IkeSa&, const KeyId&, const SignatureScheme&, Bytes) override {
    return {++last_};
  }
  JobId lease_addresses(const IkeSa&, LeaseRequest&&) override { return {++last_}; }
  std::vector<IpAddress> renewable_addresses(const IkeSa&, bool) const override { return {}; }
  void assign_addresses(const IkeSa&) override {}
  JobId fetch_evidence(const IkeSa&, std::vector<FetchRequest>) override { return {++last_}; }
  const std::vector<IpAddress>& own_addresses() const override { return addresses; }
  std::uint64_t new_ike_spi() override { return ++last_; }
  std::uint32_t new_child_spi() override { return static_cast<std::uint32_t>(++last_); }
  void release_child_spi(std::uint32_t) override { ++released; }
  std::uint32_t new_child_id() override { return static_cast<std::uint32_t>(++last_); }
  SaPairId new_pair_id() override { return {++last_}; }
  PolicyId new_policy_id() override { return {++last_}; }
  std::uint16_t new_cpi() override { return 300; }
  void release_cpi(std::uint16_t) override { ++released; }
  std::uint32_t reqid_for(const IkeSa&, const ChildSa&) override { return 1; }
  void reauthenticate(IkeSa&) override {}
  void ask_last_use(SaPairId) override {}
  bool pfs_is_known(const IkeSa&, const ChildConfig&) const override { return true; }
  void know_pfs(const IkeSa&, const ChildConfig&) override {}
  IkeSa& create_successor(const IkeSa&, Role, std::uint64_t, std::uint64_t) override {
    return successors.emplace_back();
  }
  IkeSa* find(Handle<IkeSa>) override { return nullptr; }
  void touched(const IkeSa&) override {}
  void authenticated(IkeSa&, bool) override {}
  bool has_elder(const IkeSa&, const ChildSa&) const override { return false; }
  bool is_first_contact(const IkeSa&) const override { return true; }
  FragmentPool& fragment_pool() override { return fragment_pool_; }
  void own_pair(SaPairId, const IkeSa&) override {}
  void disown_pair(SaPairId) override {}

  std::vector<Transmit> transmitted;
  std::vector<SadOp> operations;
  std::vector<trace::Event> events;
  std::vector<bool> results;
  int released = 0;
  FragmentPool fragment_pool_;
  std::deque<IkeSa> successors;
  ConnectionTable connections_;
  SecretStore secrets_;
  eap::UserStore users_;
  eap::SubscriberStore subscribers_{*provider_};
  IkeOptions options_;
  std::vector<IpAddress> addresses;

 private:
  std::unique_ptr<Provider> provider_;
  Credentials credentials_{*provider_};
  std::uint64_t last_ = 1'000;
};

}  // namespace culvert::ikev2
