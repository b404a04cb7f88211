// What the control socket needs of the daemon. The server knows no shard, no socket of IKE's and no
// file: daemon/ implements this, and tests have one of their own.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "control/counter_book.h"
#include "control/failure_book.h"
#include "crypto/provider.h"
#include "shard/command.h"
#include "shard/status.h"

namespace culvert::control {

class Backend {
 public:
  using Done = std::function<void(const CommandDone&)>;
  virtual ~Backend() = default;

  // Carries out a command; its id is chosen here. For the commands that have one, `done` is called
  // once, during the call or later, on the control thread.
  virtual void execute(Command&& command, Done done) = 0;

  virtual TimePoint now() const = 0;
  virtual std::vector<IkeSaStatus> list_sas() const = 0;
  virtual std::vector<PolicyStatus> list_policies() const = 0;
  virtual ShardStatistics statistics() const = 0;
  virtual std::optional<SaPairCounters> counters(SaPairId pair) const = 0;
  virtual std::vector<ConnectionRef> connections() const = 0;  // ordered by name
  virtual ConnectionRef connection(const std::string& name) const = 0;
  virtual std::optional<Failure> last_failure(const std::string& connection) const = 0;
  virtual CounterBook& counter_book() = 0;

  // ---- certificates and private keys; errors are sentences, load_key's goes on after "the key"
  // ----
  virtual std::expected<pki::CertificateRef, std::string> parse_certificate(ByteView der) = 0;
  virtual void load_certificate(LoadCertificate certificate) = 0;
  virtual std::expected<void, std::string> load_crl(ByteView file) = 0;
  // Hands the key to whoever signs; its name from now on.
  virtual std::expected<KeyId, std::string> load_key(ByteView file) = 0;
  virtual void forget_key(const KeyId& key) = 0;
  // All but those of the configuration file.
  virtual void clear_certificates() = 0;

  // ---- pools of addresses; errors are sentences ----
  virtual const LeaseBook& leases() const = 0;
  virtual std::expected<void, std::string> load_pool(PoolRef pool) = 0;
  virtual std::expected<void, std::string> unload_pool(const std::string& name) = 0;

  virtual const Provider& crypto() const = 0;
  // Facts about the data plane, one a line.
  virtual std::vector<std::string> describe_data_plane() const = 0;
  // How often each event happened since the start.
  virtual std::vector<std::pair<std::string, std::uint64_t>> event_counts() const = 0;
  virtual unsigned threads() const = 0;

  // Reads the configuration file again and applies what differs: a sentence for each difference and
  // what it leads to. The error lists what is wrong; nothing was changed then.
  virtual std::expected<std::vector<std::string>, std::string> reload() = 0;
};

}  // namespace culvert::control
