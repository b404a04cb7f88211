// What a shard says of itself when asked: plain values, so that nobody outside holds an SA.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ipsec/operations.h"
#include "policy/connection.h"

namespace culvert {

struct ChildSaStatus {
  std::string name;  // of the child configuration
  std::shared_ptr<const ChildConfig> config;
  std::uint32_t unique_id = 0;
  std::uint32_t reqid = 0;
  std::string state;  // strongSwan's: "INSTALLED", "REKEYING", "DELETING", …
  Mode mode = Mode::tunnel;
  IpsecProtocol protocol = IpsecProtocol::esp;
  bool udp_encap = false;
  std::uint32_t spi_in = 0, spi_out = 0;
  Suite suite;
  SaPairId pair;  // for the data plane's counters
  std::vector<TrafficSelector> local_ts, remote_ts;
  Mark mark_in, mark_out;
  std::uint32_t if_id_in = 0, if_id_out = 0;
  std::uint16_t cpi_in = 0, cpi_out = 0;  // of IPComp; zero: none
  TimePoint installed;
  TimePoint rekey_at = kNever, expires_at = kNever;
};

struct IkeSaStatus {
  std::string name;
  std::uint32_t unique_id = 0;
  std::uint8_t version = 2;
  std::string state;  // strongSwan's: "CONNECTING", "ESTABLISHED", "REKEYING", "DELETING"
  Endpoint local, remote;
  std::string local_id, remote_id;
  std::string local_eap_id, remote_eap_id;         // who has logged in by EAP; empty: nobody
  std::vector<IpAddress> local_vips, remote_vips;  // assigned by the peer, and to it
  bool initiator = false;
  std::uint64_t spi_i = 0, spi_r = 0;
  bool nat_local = false, nat_remote = false, nat_fake = false;
  std::uint32_t if_id_in = 0, if_id_out = 0;
  Suite suite;
  TimePoint created, established = kNever;  // never: not yet
  TimePoint rekey_at = kNever, reauth_at = kNever;
  std::vector<std::string> tasks_queued, tasks_active,
      tasks_passive;  // "IKE_INIT", "CHILD_CREATE", …
  std::vector<ChildSaStatus> children;
};

struct PolicyStatus {
  std::string child, connection;
  Mode mode = Mode::tunnel;
  bool trap = false;
  std::vector<TrafficSelector> local_ts, remote_ts;
};

struct ShardStatistics {
  std::size_t ike_sas = 0;    // all
  std::size_t half_open = 0;  // not yet established
  std::size_t child_sas = 0;
  std::size_t child_spis = 0;       // allocated, offers that are out included
  std::size_t fragment_octets = 0;  // of messages that are not complete
};

}  // namespace culvert
