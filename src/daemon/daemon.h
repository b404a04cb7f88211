// culvertd: one control thread that carries values between the shard, the data plane, the resolver
// and the control socket.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "config/load.h"
#include "control/backend.h"
#include "control/failure_book.h"
#include "control/vici_server.h"
#include "daemon/aaa.h"
#include "daemon/aaa_sessions.h"
#include "daemon/addresses.h"
#include "daemon/difference.h"
#include "daemon/event_log.h"
#include "daemon/gateway.h"
#include "daemon/hooks.h"
#include "daemon/sequence_numbers.h"
#include "daemon/signer.h"
#include "daemon/state_lock.h"
#include "io/event_loop.h"
#include "io/fetcher.h"
#include "io/mailbox.h"
#include "io/network_watch.h"
#include "io/resolver.h"
#include "ipsec/data_plane.h"
#include "shard/shard.h"

namespace culvert {

struct DaemonOptions {
  std::string config;  // of the TOML file; empty: there is none
  vici::Address vici;
  std::string state_dir;
  config::Overrides overrides;
};

class Daemon : public control::Backend {
 public:
  // Takes the state directory, the control socket and the data plane, and loads what the file gave.
  // The error is a sentence for the operator; nothing is left behind then.
  static std::expected<std::unique_ptr<Daemon>, std::string> start(DaemonOptions options,
                                                                   config::Loaded loaded,
                                                                   EventLog& log,
                                                                   signer::Socket signer);
  ~Daemon() override;

  // Until SIGTERM or SIGINT, and then until the SAs are deleted or two seconds are over.
  void run();

  void execute(Command&& command, Done done) override;
  TimePoint now() const override { return loop_.now(); }
  std::vector<IkeSaStatus> list_sas() const override { return shard_->list_sas(now()); }
  std::vector<PolicyStatus> list_policies() const override { return shard_->list_policies(); }
  ShardStatistics statistics() const override { return shard_->statistics(); }
  std::optional<SaPairCounters> counters(SaPairId pair) const override;
  std::vector<ConnectionRef> connections() const override;
  ConnectionRef connection(const std::string& name) const override;
  std::optional<control::Failure> last_failure(const std::string& connection) const override;
  std::expected<pki::CertificateRef, std::string> parse_certificate(ByteView der) override;
  void load_certificate(LoadCertificate certificate) override;
  std::expected<void, std::string> load_crl(ByteView file) override;
  std::expected<KeyId, std::string> load_key(ByteView file) override;
  void forget_key(const KeyId& key) override;
  void clear_certificates() override;
  const LeaseBook& leases() const override { return addresses_->book(); }
  std::expected<void, std::string> load_pool(PoolRef pool) override {
    return addresses_->load(std::move(pool));
  }
  std::expected<void, std::string> unload_pool(const std::string& name) override {
    return addresses_->unload(name);
  }
  const Provider& crypto() const override { return *provider_; }
  std::vector<std::string> describe_data_plane() const override;
  std::vector<std::pair<std::string, std::uint64_t>> event_counts() const override;
  unsigned threads() const override { return 1 + loaded_.settings.workers; }
  std::expected<std::vector<std::string>, std::string> reload() override;
  control::CounterBook& counter_book() override { return counter_book_; }

 private:
  Daemon(DaemonOptions options, config::Loaded loaded, EventLog& log, StateLock lock,
         signer::Socket signer);
  std::expected<void, std::string> start_plane();
  void load_everything();
  // Of the file; the error is a sentence, and leaves what was in force.
  std::expected<void, std::string> load_credentials(const config::Loaded& loaded);
  // Tells the shard all there is: of these connections of the file, its keys, and vici's.
  void tell_credentials(const std::vector<ConnectionRef>& connections);
  void forget_if_unused(const KeyId& key);
  void load_users(const config::Loaded& loaded);
  void load_subscribers(const config::Loaded& loaded);
  void apply(const Difference& difference);
  void serve_as_gateway(const std::vector<config::GatewayRule>& rules);
  // An event that is not the shard's.
  void report(trace::Event&& event);

  void drain();
  void carry_out(Transmit&& output);
  void carry_out(SadOp&& output);
  void carry_out(trace::Event&& output);
  void carry_out(CommandDone&& output);
  void carry_out(UpDown&& output);
  void carry_out(SaNews&& output);
  void carry_out(ResolvePeer&& output);
  void carry_out(AskLastUse&& output);
  void carry_out(FindPaths&& output);
  void carry_out(MakeSignature&& output);
  void carry_out(LeaseAddresses&& output);
  void carry_out(ReleaseAddresses&& output);
  void carry_out(AssignAddresses&& output);
  void carry_out(FetchEvidence&& output);
  void carry_out(AskAaa&& output);
  void carry_out(SessionBegan&& output);
  void carry_out(SessionUses&& output);
  void carry_out(SessionEnded&& output);
  void carry_out(SequenceNumberUsed&& output);
  void carry_out(Keepalive&& output);

  Aaa::Handlers aaa_handlers();
  AaaSessions::Handlers session_handlers();
  RadiusServers radius_servers(const config::RadiusService& service, RadiusPort port);
  void configure_aaa(const std::vector<config::RadiusService>& services);
  void on_datagram(const Datagram& datagram);
  void on_notices();
  void await_signal();
  void tell_date();
  void on_signal(int number);
  void stop_when_idle();

  using KeyMap = std::map<KeyId, PublicKeyRef>;
  // By vici clients.
  struct Given {
    std::map<pki::Fingerprint, LoadCertificate> certificates;
    std::vector<pki::CrlRef> crls;
    KeyMap keys;
  };

  DaemonOptions options_;
  config::Loaded loaded_;  // what is in force, as the file gave it
  EventLog& log_;
  EventRate rate_;
  StateLock lock_;
  io::EventLoop loop_;
  asio::signal_set signals_;
  std::unique_ptr<Provider> provider_;
  Signer signer_;
  Given given_;
  KeyMap file_keys_;
  SequenceNumbers sequence_numbers_;
  std::unique_ptr<Shard> shard_;
  io::Mailbox mailbox_;
  std::unique_ptr<DataPlane> plane_;  // its workers use the mailbox
  std::string plane_choice_;          // which it is, and why
  std::unique_ptr<Addresses> addresses_;
  std::unique_ptr<io::ReadableWatch> notices_;
  std::unique_ptr<io::NetworkWatch> network_;
  io::Resolver resolver_;
  io::Fetcher fetcher_;
  Aaa aaa_;
  AaaSessions aaa_sessions_;
  io::Timer timer_;
  io::Timer date_timer_;
  vici::Server server_;
  Hooks hooks_;
  Gateway gateway_;
  io::Timer stop_;  // while the last updown programs end
  TimePoint stop_by_ = kNever, account_by_ = kNever;
  control::FailureBook failures_;
  control::CounterBook counter_book_;
  trace::Counters own_events_;  // those that are not the shard's
  std::unordered_map<CommandId, Done> pending_;
  std::uint64_t next_command_ = 1;
  bool draining_ = false;
  bool stopping_ = false;
};

}  // namespace culvert
