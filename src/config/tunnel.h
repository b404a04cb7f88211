// One [tunnel.NAME] table as a connection, with what the checks across tunnels need to know.
#pragma once

#include <optional>
#include <vector>

#include "config/key_file.h"
#include "config/table_reader.h"
#include "eap/user_store.h"
#include "ipsec/xfrm_interface.h"
#include "policy/connection.h"
#include "policy/pool.h"

namespace culvert::config {

struct LocatedPool {
  PoolConfig config;
  Position at;
};

struct GatewayWish {
  bool nat = false;
  std::uint16_t mss = 0;
  Position at;
};

struct Tunnel {
  Position at;  // of the table
  ConnectionConfig config;
  SecretBytes psk;  // empty when it is missing or wrong, which has been reported
  Position psk_at;
  std::optional<KeyFile> key;
  std::vector<Position> remote_at;  // of each child's remote selectors, or of its table
  std::optional<XfrmInterface> interface;
  std::optional<GatewayWish> gateway;

  std::optional<LocatedPool> pool;      // of its own
  std::vector<LocatedText> pool_names;  // that it shares

  std::string table() const { return "[tunnel." + config.name + "]"; }
};

struct TunnelContext {
  Report& report;
  bool file_is_world_readable = false;
  std::uint16_t ike_port = 500;
};

// Always a tunnel, as complete as its table is correct; mistakes go to the report.
Tunnel read_tunnel(const Member& member, const TunnelContext& context);

}  // namespace culvert::config
