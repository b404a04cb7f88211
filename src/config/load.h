// The TOML file turned into connections, secrets and settings of the daemon.
// Invariant: a file with any mistake gives no values at all, and every mistake it has at once.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/time.h"
#include "config/gateway_rule.h"
#include "config/key_file.h"
#include "config/radius_service.h"
#include "eap/sim_credentials.h"
#include "eap/user_store.h"
#include "ipsec/xfrm_interface.h"
#include "policy/connection.h"
#include "policy/pool.h"

namespace culvert::config {

// One thing wrong with (or doubtful about) a file.
struct Diagnostic {
  std::string file;
  unsigned line = 0;  // from 1; 0: the file as a whole
  unsigned column = 0;
  std::string message;     // "unknown key 'lcoal' in [tunnel.branch]"
  std::string suggestion;  // "did you mean 'local'?", or empty
  // "culvert.toml:3:1: unknown key 'lcoal' in [tunnel.branch]; did you mean 'local'?"
  std::string to_string() const;
  bool operator==(const Diagnostic&) const = default;
};

// [daemon]. Where culvertd has a command-line option of the same name, the option wins.
struct DaemonSettings {
  std::string data_plane = "auto";  // "auto", "kernel" or "userspace"
  std::uint16_t ike_port = 500, nat_t_port = 4500;
  unsigned workers = 1;  // threads of the userspace data plane; 1 to kMaxWorkers
  std::string device = "culvert0";
  unsigned mtu = 0;                 // of the device; 0: from the outer path
  std::string log_level = "info";   // "error", "warning", "info", "debug" or "trace"
  std::string log_format = "text";  // "text" or "json"
  Duration retransmit_timeout = std::chrono::seconds(4);  // before the first retransmission
  double retransmit_base = 1.8;                           // each waits this many times longer
  unsigned retransmit_tries = 5;
  Duration nat_keepalive = std::chrono::seconds(20);  // zero: none
  std::size_t max_half_open = limits::kMaxHalfOpen;
  std::size_t cookie_threshold = limits::kCookieThreshold;
  std::size_t fragment_size = limits::kFragmentSize;
  bool operator==(const DaemonSettings&) const = default;
};
inline constexpr unsigned kMaxWorkers = 64;

struct Loaded {
  std::vector<ConnectionRef> connections;  // in the order of the file
  std::vector<SharedSecret> secrets;       // id: "FILE [tunnel.NAME] psk"
  std::vector<eap::User> users;
  std::vector<RadiusService> radius;
  std::vector<eap::Subscriber> subscribers;
  std::vector<KeyFile> keys;
  std::vector<XfrmInterface> interfaces;  // that tunnels want
  std::vector<PoolRef> pools;             // one that a tunnel has for itself bears its name
  std::vector<GatewayRule> gateway;       // where tunnels want nat or clamp_mss
  DaemonSettings settings;
  std::vector<Diagnostic> warnings;
};

// What a command line says in place of the file; what is empty or zero is as the file has it.
struct Overrides {
  std::string users;  // one more file of users
  std::string device;
  std::uint16_t ike_port = 0, nat_t_port = 0;
};

// Reads `path` and the files it names, relative to its folder. The errors are in the order of the
// file.
std::expected<Loaded, std::vector<Diagnostic>> load(const std::string& path,
                                                    const Overrides& overrides = {});
// The same for text that is already here; `path` is its name in diagnostics and the place that
// secret files are relative to.
std::expected<Loaded, std::vector<Diagnostic>> load_text(std::string_view text,
                                                         const std::string& path);

}  // namespace culvert::config
