// A thread's worth of IKE: owns every SA routed to it. Single-threaded, never blocks, never asks
// the time: inputs are values with a time, outputs come from poll() in the order they must happen.
#pragma once

#include <memory>

#include "crypto/provider.h"
#include "net/datagram.h"
#include "policy/connection_table.h"
#include "policy/secret_store.h"
#include "shard/command.h"
#include "shard/options.h"
#include "shard/output.h"
#include "trace/render.h"

namespace culvert {

class Shard {
 public:
  // The provider outlives the shard.
  Shard(ShardOptions options, Provider& provider);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // Inputs.
  void receive(const Datagram& datagram, TimePoint now);
  void notice(const SadNotice& notice, TimePoint now);
  void command(Command&& command, TimePoint now);
  // The answer to a ResolvePeer: both addresses, or none with the reason.
  void complete(JobId job, PeerResolution&& answer, TimePoint now);
  // The answer to an AskLastUse; TimePoint::min(): never.
  void last_use(SaPairId pair, TimePoint last_use, TimePoint now);
  void complete(JobId job, FoundPaths&& answer, TimePoint now);
  void complete(JobId job, MadeSignature&& answer, TimePoint now);
  void complete(JobId job, LeaseGrant&& answer, TimePoint now);
  void complete(JobId job, FetchedEvidence&& answer, TimePoint now);
  void complete(JobId job, AaaAnswer&& answer, TimePoint now);
  // The CHILD SA of the pair, if there is one, is given up.
  void refused(SadRefusal&& refusal, TimePoint now);

  // The next output; WaitUntil when there is nothing more to do. Timers expire inside.
  Output poll(TimePoint now);

  // Questions.
  std::vector<IkeSaStatus> list_sas(TimePoint now) const;
  std::vector<PolicyStatus> list_policies() const;
  ShardStatistics statistics() const;
  const ConnectionTable& connections() const;
  const SecretStore& secrets() const;
  const trace::Counters& counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert
