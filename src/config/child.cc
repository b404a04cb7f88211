// Owns the keys that describe a CHILD SA: those of [tunnel.NAME.child.CHILD] and of a [tunnel.NAME]
// without such tables; and those of [shunt.NAME].
#include "config/child.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace culvert::config {
namespace {

using namespace std::chrono_literals;

constexpr auto kModeWords =
    std::to_array<Words<Mode>>({{"tunnel", Mode::tunnel}, {"transport", Mode::transport}});
constexpr auto kShuntWords =
    std::to_array<Words<Mode>>({{"pass", Mode::pass}, {"drop", Mode::drop}});
constexpr auto kCopyDscpWords = std::to_array<Words<CopyDscp>>(
    {{"out", CopyDscp::out}, {"in", CopyDscp::in}, {"both", CopyDscp::yes}, {"no", CopyDscp::no}});
constexpr auto kUniqueWords = std::to_array<Words<std::uint32_t>>(
    {{"unique", kUnique}, {"unique-per-direction", kUniquePerDirection}});
constexpr auto kSameWords = std::to_array<Words<std::uint32_t>>({{"same", kSameMark}});

constexpr std::size_t kMaxNameSize = 64;
constexpr Duration kDefaultEspRekey = 1h;
constexpr std::uint32_t kWholeMask = 0xffff'ffff;
constexpr std::int64_t kLargestPacket = 65'535;
constexpr std::int64_t kLargestReplayWindow = 32'768;
constexpr std::size_t kMaxInterfaceName = 15;  // Linux's IFNAMSIZ, without the final zero

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameSize && std::ranges::none_of(text, [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7f;
  });
}

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

void check_families(TableReader& table, const ChildConfig& child) {
  if (!(has_family(child.local, Family::v4) && has_family(child.remote, Family::v4)) &&
      !(has_family(child.local, Family::v6) && has_family(child.remote, Family::v6)))
    table.report().error(
        table.at(),
        fmt::format("{}: 'local' and 'remote' are of different address families", table.name()));
}

// ---- numbers with forms of their own ----

// Decimal, or hexadecimal after "0x".
std::optional<std::uint32_t> parse_number(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x");
  if (hexadecimal) text.remove_prefix(2);
  std::uint32_t value = 0;
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value, hexadecimal ? 16 : 10);
  if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return value;
}

std::optional<std::uint32_t> find_word(std::span<const Words<std::uint32_t>> words,
                                       std::string_view text) {
  const auto found = std::ranges::find(words, text, &Words<std::uint32_t>::first);
  return found == words.end() ? std::nullopt : std::optional(found->second);
}

// 42, "0x2a", "0x2a/0xff" or one of `words`, which may have a mask too.
std::optional<Mark> parse_mark(const Value& value, std::span<const Words<std::uint32_t>> words) {
  if (const auto* number = std::get_if<std::int64_t>(&value.content)) {
    if (*number < 0 || *number > kWholeMask) return std::nullopt;
    return Mark{static_cast<std::uint32_t>(*number), kWholeMask};
  }
  const auto* text = std::get_if<std::string>(&value.content);
  if (!text) return std::nullopt;
  const auto slash = std::min(text->find('/'), text->size());
  const auto before = std::string_view(*text).substr(0, slash);
  const auto mask = slash == text->size() ? std::optional(kWholeMask)
                                          : parse_number(std::string_view(*text).substr(slash + 1));
  if (!mask) return std::nullopt;
  if (const auto word = find_word(words, before)) return Mark{*word, *mask};
  const auto number = parse_number(before);
  return number ? std::optional(Mark{*number & *mask, *mask}) : std::nullopt;
}

void read_mark(TableReader& table, std::string_view key,
               std::span<const Words<std::uint32_t>> words, Mark& to) {
  const Member* member = table.any(key);
  if (!member) return;
  const auto mark = parse_mark(member->value, words);
  if (!mark)
    return table.report().error(
        member->value.at, fmt::format("{}: not a mark", table.place(key)),
        fmt::format("write a number, \"0x2a/0xff\" with a mask, or \"{}\"", words[0].first));
  to = *mark;
}

void read_if_id(TableReader& table, std::string_view key, std::uint32_t& to) {
  const Member* member = table.any(key);
  if (!member) return;
  const auto* text = std::get_if<std::string>(&member->value.content);
  if (!text) {
    to = static_cast<std::uint32_t>(table.integer(key, 0, 0xffff'fffd).value_or(0));
    return;
  }
  const auto word = find_word(kUniqueWords, *text);
  if (!word)
    table.report().error(
        member->value.at,
        fmt::format("{}: {} is not an interface ID", table.place(key), in_quotes(*text)),
        "write a number, \"unique\" or \"unique-per-direction\"");
  to = word.value_or(0);
}

// 500000, or "500M": units of 1024.
std::optional<std::uint64_t> parse_octets(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  constexpr std::string_view kUnits = "KMGT";
  const auto unit = text.size() == 1 ? kUnits.find(text[0]) : std::string_view::npos;
  if (unit == std::string_view::npos) return std::nullopt;
  const auto shift = 10 * (unit + 1);
  if (value > (std::uint64_t{1} << (62 - shift))) return std::nullopt;
  return value << shift;
}

std::uint64_t read_octets(TableReader& table, std::string_view key) {
  const Member* member = table.any(key);
  if (!member) return 0;
  const auto* text = std::get_if<std::string>(&member->value.content);
  if (!text)
    return static_cast<std::uint64_t>(table.integer(key, 0, std::int64_t{1} << 62).value_or(0));
  const auto octets = parse_octets(*text);
  if (!octets)
    table.report().error(
        member->value.at,
        fmt::format("{}: {} is not a number of octets", table.place(key), in_quotes(*text)),
        "write a number, or one with a unit such as \"500M\" or \"2G\"");
  return octets.value_or(0);
}

// ---- groups of keys ----

// ESP or AH: what is given last, in the child or else in its tunnel, counts.
void read_protection(TableReader& table, ChildConfig& child) {
  auto esp = read_proposals(table, "esp", wire::ProtocolId::esp);
  auto ah = read_proposals(table, "ah", wire::ProtocolId::ah);
  if (table.any("esp")) child.proposals = std::move(esp);
  if (!table.any("ah")) return;
  if (table.any("esp"))
    table.report().error(
        table.any("ah")->at,
        fmt::format("{}: 'esp' and 'ah': a CHILD SA is one or the other", table.name()),
        "give them to two CHILD SAs, each in a table of its own");
  child.proposals = std::move(ah);
}

void read_lifetime(TableReader& table, ChildConfig& child) {
  auto& lifetime = child.lifetime;
  if (const auto rekey = table.duration("esp_rekey", kShortestRekey, kLongestRekey))
    set_esp_rekey(*rekey, child);
  if (const auto octets = read_octets(table, "esp_rekey_octets"); table.any("esp_rekey_octets")) {
    lifetime.rekey_bytes = octets;
    lifetime.rand_bytes = octets / 10;
    lifetime.life_bytes = octets + octets / 10;
  }
  if (const auto packets = table.integer("esp_rekey_packets", 0, std::int64_t{1} << 62)) {
    lifetime.rekey_packets = static_cast<std::uint64_t>(*packets);
    lifetime.rand_packets = lifetime.rekey_packets / 10;
    lifetime.life_packets = lifetime.rekey_packets + lifetime.rand_packets;
  }
  if (const auto inactivity = table.duration("inactivity", 0s, kLongestRekey))
    child.inactivity = *inactivity;
}

// What is done to packets.
void read_handling(TableReader& table, ChildConfig& child) {
  if (const auto ipcomp = table.boolean("ipcomp")) child.ipcomp = *ipcomp;
  if (const auto copy = table.boolean("copy_df")) child.copy_df = *copy;
  if (const auto copy = table.boolean("copy_ecn")) child.copy_ecn = *copy;
  if (const auto copy = table.choice<CopyDscp>("copy_dscp", kCopyDscpWords))
    child.copy_dscp = *copy;
  if (const auto window = table.integer("replay_window", 0, kLargestReplayWindow))
    child.replay_window = static_cast<std::uint32_t>(*window);
  const Member* padding = table.any("tfc");
  if (!padding) return;
  const auto* word = std::get_if<std::string>(&padding->value.content);
  if (!word) {
    child.tfc_padding =
        static_cast<std::uint32_t>(table.integer("tfc", 0, kLargestPacket).value_or(0));
  } else if (*word == "mtu") {
    child.tfc_padding = kPadToMtu;
  } else {
    table.wrong_type("tfc", padding->value, "a number of octets or \"mtu\"");
  }
}

// What the kernel's policies and SAs are told apart by.
void read_kernel(TableReader& table, ChildConfig& child) {
  read_mark(table, "mark_in", kUniqueWords, child.mark_in);
  read_mark(table, "mark_out", kUniqueWords, child.mark_out);
  if (const auto both = table.boolean("mark_in_sa")) child.mark_in_sa = *both;
  read_mark(table, "set_mark_in", kSameWords, child.set_mark_in);
  read_mark(table, "set_mark_out", kSameWords, child.set_mark_out);
  read_if_id(table, "if_id_in", child.if_id_in);
  read_if_id(table, "if_id_out", child.if_id_out);
  if (const auto policies = table.boolean("policies")) child.policies = *policies;
  if (const auto reqid = table.integer("reqid", 1, 0xffff'ffff))
    child.reqid = static_cast<std::uint32_t>(*reqid);
  if (const auto priority = table.integer("priority", 1, 0xffff'ffff))
    child.priority = static_cast<std::uint32_t>(*priority);
  const auto interface = table.text("interface");
  if (!interface) return;
  if (interface->value.empty() || interface->value.size() > kMaxInterfaceName)
    table.report().error(interface->at,
                         fmt::format("{}: {} is not the name of an interface",
                                     table.place("interface"), in_quotes(interface->value)));
  child.interface = interface->value;
}

void read_hook(TableReader& table, ChildConfig& child) {
  if (const auto updown = table.text("updown")) {
    const bool printable = std::ranges::none_of(
        updown->value, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    if (!printable)
      table.report().error(updown->at, table.place("updown") + ": not a command of one line");
    child.updown = updown->value;
  }
  if (const auto access = table.boolean("hostaccess")) child.hostaccess = *access;
}

}  // namespace

void check_name(std::string_view kind, const Member& member, Report& report) {
  if (is_name(member.key)) return;
  report.error(member.at, fmt::format("{} is not a name for a {}", in_quotes(member.key), kind),
               fmt::format("use 1 to {} printable characters", kMaxNameSize));
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

ChildConfig read_child(TableReader& table, const ChildConfig& defaults) {
  ChildConfig child = defaults;
  if (auto local = read_selectors(table, "local"); !local.empty()) child.local = std::move(local);
  if (auto remote = read_selectors(table, "remote"); !remote.empty())
    child.remote = std::move(remote);
  read_protection(table, child);
  if (const auto mode = table.choice<Mode>("mode", kModeWords)) child.mode = *mode;
  read_lifetime(table, child);
  read_handling(table, child);
  read_kernel(table, child);
  read_hook(table, child);
  check_families(table, child);
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

ConnectionRef read_shunt(const Member& member, Report& report) {
  ChildConfig child;
  child.name = member.key;
  child.start_action = StartAction::trap;
  const auto name = fmt::format("[shunt.{}]", member.key);
  const auto* content = std::get_if<Table>(&member.value.content);
  if (!content) {
    report.error(member.value.at, fmt::format("{} in [shunt]: expected a table, found {}",
                                              in_quotes(member.key), kind_of(member.value)));
    return nullptr;
  }
  TableReader table(*content, name, member.at, report);
  const auto mode = table.choice<Mode>("action", kShuntWords);
  if (!table.any("action"))
    report.error(member.at, name + " has no 'action'", "add action = \"pass\" or \"drop\"");
  child.mode = mode.value_or(Mode::drop);
  child.local = read_selectors(table, "local");
  child.remote = read_selectors(table, "remote");
  for (const std::string_view key : {"local", "remote"})
    if (!table.any(key))
      report.error(member.at, fmt::format("{} has no '{}'", name, key),
                   fmt::format("add {} = \"PREFIX\", \"0.0.0.0/0\" for all of IPv4", key));
  if (!child.local.empty() && !child.remote.empty()) check_families(table, child);
  read_kernel(table, child);
  table.finish();
  auto config = std::make_shared<ConnectionConfig>();
  config->name = member.key;
  config->children.push_back(std::move(child));
  return config;
}

}  // namespace culvert::config
