// Owns the keys of [tunnel.NAME] and [tunnel.NAME.child.CHILD] and their defaults.
#include "config/tunnel.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/file.h"

namespace culvert::config {
namespace {

using namespace std::chrono_literals;

enum class Keep { up, demand, passive };

template <class T>
using Words = std::pair<std::string_view, T>;
constexpr auto kKeepWords = std::to_array<Words<Keep>>(
    {{"up", Keep::up}, {"demand", Keep::demand}, {"passive", Keep::passive}});
constexpr auto kEncapWords = std::to_array<Words<Encap>>(
    {{"auto", Encap::automatic}, {"always", Encap::always}, {"never", Encap::never}});
constexpr auto kModeWords =
    std::to_array<Words<Mode>>({{"tunnel", Mode::tunnel}, {"transport", Mode::transport}});

constexpr Duration kDefaultDpd = 30s;
constexpr Duration kDefaultIkeRekey = 4h;
constexpr Duration kDefaultEspRekey = 1h;
constexpr Duration kShortestRekey = 10s;
constexpr Duration kLongestRekey = std::chrono::hours(24 * 365);
constexpr std::size_t kMaxNameSize = 64;

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameSize && std::ranges::none_of(text, [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7f;
  });
}

void check_name(std::string_view kind, const Member& member, Report& report) {
  if (is_name(member.key)) return;
  report.error(member.at, fmt::format("{} is not a name for a {}", in_quotes(member.key), kind),
               fmt::format("use 1 to {} printable characters", kMaxNameSize));
}

// ---- values made of text ----

bool has_kind(const std::vector<AddressPattern>& patterns, AddressPattern::Kind kind) {
  return std::ranges::find(patterns, kind, &AddressPattern::kind) != patterns.end();
}

std::vector<AddressPattern> read_addresses(TableReader& table, std::string_view key) {
  std::vector<AddressPattern> patterns;
  for (const auto& text : table.texts(key)) {
    if (text.value == "any") {
      patterns.emplace_back();
    } else if (auto pattern = parse_address_pattern(text.value)) {
      patterns.push_back(std::move(*pattern));
    } else {
      table.report().error(text.at,
                           fmt::format("{}: {} is not an address, a prefix, a range or a host name",
                                       table.place(key), in_quotes(text.value)));
    }
  }
  // Any address makes the others superfluous, and an empty list means any.
  if (has_kind(patterns, AddressPattern::Kind::any)) patterns.clear();
  return patterns;
}

std::vector<SelectorConfig> read_selectors(TableReader& table, std::string_view key) {
  std::vector<SelectorConfig> selectors;
  for (const auto& text : table.texts(key)) {
    if (auto selector = parse_selector(text.value)) {
      selectors.push_back(*selector);
    } else {
      table.report().error(
          text.at,
          fmt::format("{}: {} is not a traffic selector", table.place(key), in_quotes(text.value)),
          "write \"10.1.0.0/16\", \"10.1.0.1-10.1.0.9\", \"10.1.0.0/16[tcp/80]\" or \"dynamic\"");
    }
  }
  if (selectors.size() > limits::kMaxSelectors)
    table.report().error(table.at(), fmt::format("{}: more than {} traffic selectors",
                                                 table.place(key), limits::kMaxSelectors));
  return selectors;
}

std::vector<Proposal> read_proposals(TableReader& table, std::string_view key,
                                     wire::ProtocolId protocol) {
  std::vector<Proposal> proposals;
  for (const auto& text : table.texts(key)) {
    if (text.value == "default") {
      std::ranges::move(default_proposals(protocol), std::back_inserter(proposals));
    } else if (auto proposal = parse_proposal(text.value, protocol)) {
      proposals.push_back(std::move(*proposal));
    } else {
      const ParseFailure& failure = proposal.error();
      table.report().error(text.at, fmt::format("{}: {}", table.place(key), failure.message),
                           did_you_mean(failure.suggestion));
    }
  }
  if (proposals.size() > limits::kMaxProposals)
    table.report().error(table.at(), fmt::format("{}: more than {} proposals", table.place(key),
                                                 limits::kMaxProposals));
  return proposals.empty() ? default_proposals(protocol) : proposals;
}

Identity read_identity(TableReader& table, std::string_view key) {
  const auto text = table.text(key);
  if (!text) return {};
  if (auto identity = parse_identity(text->value)) return std::move(*identity);
  table.report().error(
      text->at, fmt::format("{}: {} is not an identity", table.place(key), in_quotes(text->value)),
      "write an address, a host name, \"user@host\", \"keyid:text\" or \"@#hex\"");
  return {};
}

// ---- the pre-shared key ----

// What an editor leaves at the end of a file is no part of the key.
ByteView without_newline(ByteView octets) {
  if (!octets.empty() && octets.back() == '\n') octets = octets.first(octets.size() - 1);
  if (!octets.empty() && octets.back() == '\r') octets = octets.first(octets.size() - 1);
  return octets;
}

SecretBytes read_secret_file(const LocatedText& name, Report& report) {
  const auto file = read_file(beside(report.file(), name.value), limits::kMaxSecretFileSize);
  if (!file) {
    report.error(name.at, file.error());
    return {};
  }
  if (file->world_readable)
    report.warning(name.at, fmt::format("everybody can read {}", in_quotes(name.value)),
                   "chmod o= it");
  SecretBytes secret(without_newline(file->octets.view()));
  if (secret.empty())
    report.error(name.at,
                 fmt::format("{} holds no pre-shared key: it is empty", in_quotes(name.value)));
  return secret;
}

SecretBytes read_inline_secret(const TableReader& table, const Value& value,
                               const TunnelContext& context) {
  const auto& text = std::get<std::string>(value.content);
  if (text.empty()) context.report.error(value.at, table.place("psk") + ": the key is empty");
  if (context.file_is_world_readable)
    context.report.warning(value.at, "everybody can read this file, and it holds a pre-shared key",
                           "chmod o= it, or write psk = { file = \"…\" }");
  return SecretBytes(as_bytes(text));
}

void read_psk(TableReader& table, const TunnelContext& context, Tunnel& tunnel) {
  const Member* member = table.any("psk");
  if (!member)
    return context.report.error(table.at(), fmt::format("{} has no 'psk'", table.name()),
                                "add psk = { file = \"…\" }");
  const Value& value = member->value;
  tunnel.psk_at = value.at;
  if (std::holds_alternative<std::string>(value.content)) {
    tunnel.psk = read_inline_secret(table, value, context);
    return;
  }
  const auto* inner = std::get_if<Table>(&value.content);
  if (!inner) return table.wrong_type("psk", value, "a string or { file = \"…\" }");
  TableReader reader(*inner, table.place("psk"), value.at, context.report);
  if (const auto name = reader.text("file")) {
    tunnel.psk = read_secret_file(*name, context.report);
  } else if (!reader.any("file")) {
    context.report.error(value.at, table.place("psk") + ": no 'file' is named");
  }
  reader.finish();
}

// ---- CHILD SAs ----

// Rekeying begins up to a tenth early, at random, and the SA is dead a tenth late.
void set_esp_rekey(Duration rekey, ChildConfig& child) {
  child.lifetime.rekey_time = rekey;
  child.lifetime.life_time = rekey + rekey / 10;
  child.lifetime.rand_time = rekey / 10;
}

void set_keep(Keep keep, ChildConfig& child) {
  if (keep == Keep::passive) return;
  const bool up = keep == Keep::up;
  child.start_action = up ? StartAction::start : StartAction::trap;
  child.close_action = up ? CloseAction::start : CloseAction::trap;
  child.dpd_action = up ? DpdAction::start : DpdAction::trap;
}

bool has_family(const std::vector<SelectorConfig>& selectors, Family family) {
  return std::ranges::any_of(selectors, [&](const SelectorConfig& selector) {
    return selector.dynamic || selector.selector.first.family() == family;
  });
}

// The keys that a tunnel without child tables shares with a child table. In a child table, what is
// absent is as in the tunnel.
ChildConfig read_child(TableReader& table, const ChildConfig& defaults) {
  ChildConfig child = defaults;
  if (auto local = read_selectors(table, "local"); !local.empty()) child.local = std::move(local);
  if (auto remote = read_selectors(table, "remote"); !remote.empty())
    child.remote = std::move(remote);
  if (auto esp = read_proposals(table, "esp", wire::ProtocolId::esp); table.any("esp"))
    child.proposals = std::move(esp);
  if (const auto mode = table.choice<Mode>("mode", kModeWords)) child.mode = *mode;
  if (const auto rekey = table.duration("esp_rekey", kShortestRekey, kLongestRekey))
    set_esp_rekey(*rekey, child);
  if (!(has_family(child.local, Family::v4) && has_family(child.remote, Family::v4)) &&
      !(has_family(child.local, Family::v6) && has_family(child.remote, Family::v6)))
    table.report().error(
        table.at(),
        fmt::format("{}: 'local' and 'remote' are of different address families", table.name()));
  return child;
}

ChildConfig default_child(Keep keep) {
  ChildConfig child;
  child.local = child.remote = {SelectorConfig{.dynamic = true}};
  child.proposals = default_proposals(wire::ProtocolId::esp);
  set_esp_rekey(kDefaultEspRekey, child);
  set_keep(keep, child);
  return child;
}

Position position_of_remote(TableReader& table) {
  const Member* remote = table.any("remote");
  return remote ? remote->value.at : table.at();
}

void read_children(TableReader& table, Keep keep, Tunnel& tunnel) {
  ChildConfig whole = read_child(table, default_child(keep));
  const Position whole_remote_at = position_of_remote(table);
  const Member* member = table.any("child");
  const auto* children = member ? std::get_if<Table>(&member->value.content) : nullptr;
  if (member && !children) table.wrong_type("child", member->value, "a table");
  if (!children) {
    whole.name = tunnel.config.name;
    tunnel.config.children.push_back(std::move(whole));
    tunnel.remote_at.push_back(whole_remote_at);
    return;
  }
  for (const Member& one : *children) {
    check_name("CHILD SA", one, table.report());
    const auto* content = std::get_if<Table>(&one.value.content);
    if (!content) {
      table.wrong_type("child." + one.key, one.value, "a table");
      continue;
    }
    TableReader reader(*content, fmt::format("[tunnel.{}.child.{}]", tunnel.config.name, one.key),
                       one.at, table.report());
    ChildConfig child = read_child(reader, whole);
    child.name = one.key;
    tunnel.config.children.push_back(std::move(child));
    const bool own_remote = reader.any("remote") != nullptr;
    tunnel.remote_at.push_back(own_remote ? position_of_remote(reader) : one.at);
    reader.finish();
  }
  if (children->size() > limits::kMaxChildrenPerIkeSa)
    table.report().error(member->at, fmt::format("{}: more than {} CHILD SAs", table.name(),
                                                 limits::kMaxChildrenPerIkeSa));
}

// ---- the tunnel ----

void read_peer(TableReader& table, ConnectionConfig& config) {
  config.remote_addrs = read_addresses(table, "peer");
  if (!table.any("peer"))
    table.report().error(table.at(), fmt::format("{} has no 'peer'", table.name()),
                         "add peer = \"ADDRESS\", or peer = \"any\" to accept every address");
  if (const auto port = table.integer("peer_port", 1, 65'535))
    config.remote_port = static_cast<std::uint16_t>(*port);
}

void read_local_address(TableReader& table, ConnectionConfig& config) {
  config.local_addrs = read_addresses(table, "local_address");
  if (has_kind(config.local_addrs, AddressPattern::Kind::host_name))
    table.report().error(table.any("local_address")->value.at,
                         table.place("local_address") + ": a host name is not an address of ours");
}

void read_identities(TableReader& table, ConnectionConfig& config) {
  config.local.id = read_identity(table, "local_id");
  config.remote.id = read_identity(table, "remote_id");
  if (!config.local.id.is_any() && is_pattern(config.local.id))
    table.report().error(table.any("local_id")->value.at,
                         table.place("local_id") + ": our own identity can't have wildcards");
}

// Whom we could call: an address, or a name that stands for one.
bool can_initiate(const ConnectionConfig& config) {
  return std::ranges::any_of(config.remote_addrs, [](const AddressPattern& pattern) {
    return pattern.is_single() || pattern.kind == AddressPattern::Kind::host_name;
  });
}

Keep read_keep(TableReader& table, ConnectionConfig& config) {
  const Keep keep = table.choice<Keep>("keep", kKeepWords).value_or(Keep::passive);
  if (keep != Keep::passive && table.any("peer") && !can_initiate(config))
    table.report().error(
        table.any("keep")->value.at,
        table.place("keep") + ": there is nobody to call, 'peer' names no single address",
        "give 'peer' an address or a host name, or set keep = \"passive\"");
  config.keep_up = keep == Keep::up;
  if (config.keep_up) config.keyingtries = 0;
  return keep;
}

void read_times(TableReader& table, ConnectionConfig& config) {
  config.dpd_delay = table.duration("dpd", 0s, 24h).value_or(kDefaultDpd);
  config.rekey_time =
      table.duration("ike_rekey", kShortestRekey, kLongestRekey).value_or(kDefaultIkeRekey);
  config.over_time = config.rand_time = config.rekey_time / 10;
}

}  // namespace

Tunnel read_tunnel(const Member& member, const TunnelContext& context) {
  Tunnel tunnel{.at = member.at};
  tunnel.config.name = member.key;
  check_name("tunnel", member, context.report);
  const auto* content = std::get_if<Table>(&member.value.content);
  if (!content) {
    context.report.error(member.value.at,
                         fmt::format("{} in [tunnel]: expected a table, found {}",
                                     in_quotes(member.key), kind_of(member.value)),
                         "each tunnel has a table of its own, [tunnel.NAME]");
    return tunnel;
  }
  TableReader table(*content, tunnel.table(), member.at, context.report);
  ConnectionConfig& config = tunnel.config;
  config.local_port = context.ike_port;
  table.integer("version", 2, 2);
  read_peer(table, config);
  read_local_address(table, config);
  read_identities(table, config);
  read_psk(table, context, tunnel);
  config.proposals = read_proposals(table, "ike", wire::ProtocolId::ike);
  config.encap = table.choice<Encap>("encap", kEncapWords).value_or(Encap::automatic);
  read_times(table, config);
  read_children(table, read_keep(table, config), tunnel);
  table.finish();
  return tunnel;
}

}  // namespace culvert::config
