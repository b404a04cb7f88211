// Invariant: while a table of ours may exist, so does the mark.
#include "daemon/gateway.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>

namespace culvert {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPath = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
constexpr unsigned kIpv6Excess = 20;  // octets of its header beyond those of IPv4's
constexpr const char* kForwarding[] = {"/proc/sys/net/ipv4/ip_forward",
                                       "/proc/sys/net/ipv6/conf/all/forwarding"};

std::vector<AddressRange> of_family(const config::GatewayRule& rule, Family family) {
  std::vector<AddressRange> ranges;
  std::ranges::copy_if(rule.clients, std::back_inserter(ranges),
                       [family](const auto& range) { return range.first.family() == family; });
  return ranges;
}

std::string set_text(const std::vector<AddressRange>& ranges) {
  std::vector<std::string> texts;
  for (const AddressRange& range : ranges)
    texts.push_back(fmt::format("{}-{}", range.first.to_string(), range.last.to_string()));
  return fmt::format("{{ {} }}", fmt::join(texts, ", "));
}

std::string clamp_rules(const config::GatewayRule& rule) {
  std::string text;
  if (rule.mss == 0) return text;
  for (const Family family : {Family::v4, Family::v6}) {
    const auto ranges = of_family(rule, family);
    if (ranges.empty()) continue;
    const unsigned mss = family == Family::v4 ? rule.mss : rule.mss - kIpv6Excess;
    for (const char* side : {"saddr", "daddr"})
      text += fmt::format(
          "    {} {} {} tcp flags & (syn | rst) == syn tcp option maxseg size > {} "
          "tcp option maxseg size set {}\n",
          family == Family::v4 ? "ip" : "ip6", side, set_text(ranges), mss, mss);
  }
  return text;
}

// What goes to another client stays as it is.
std::string nat_rules(const config::GatewayRule& rule, const std::string& device) {
  std::string text;
  if (!rule.nat) return text;
  const std::string leaves =
      device.empty() ? std::string("rt ipsec missing") : fmt::format("oifname != \"{}\"", device);
  for (const Family family : {Family::v4, Family::v6})
    if (const auto ranges = of_family(rule, family); !ranges.empty())
      text += fmt::format("    {} saddr {} {} masquerade\n", family == Family::v4 ? "ip" : "ip6",
                          set_text(ranges), leaves);
  return text;
}

bool write_setting(const std::string& path, std::string_view value) {
  std::ofstream file(path);
  file << value << '\n';
  file.close();
  return !file.fail();
}

std::string read_setting(const std::string& path) {
  std::string value;
  std::ifstream(path) >> value;
  return value;
}

// A router takes no router advertisements unless it is told to: without this, a machine that has
// its own way to the Internet from them would lose it.
void keep_router_advertisements() {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator("/proc/sys/net/ipv6/conf", none)) {
    const std::string setting = entry.path().string() + "/accept_ra";
    if (read_setting(setting) == "1") write_setting(setting, "2");
  }
}

}  // namespace

std::string gateway_table(const std::string& device) {
  std::string name = "culvert_" + device;
  std::ranges::replace_if(name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

std::string gateway_ruleset(const GatewayPlan& plan, const std::string& table) {
  // Deleting what is not there would fail: the first line makes sure that it is.
  std::string text = fmt::format("table inet {0} {{}}\ndelete table inet {0}\n", table);
  if (plan.rules.empty()) return text;
  std::string clamps, nats;
  for (const auto& rule : plan.rules) {
    clamps += clamp_rules(rule);
    nats += nat_rules(rule, plan.device);
  }
  return text + fmt::format(
                    "table inet {} {{\n"
                    "  chain forward {{\n"
                    "    type filter hook forward priority mangle; policy accept;\n{}  }}\n"
                    "  chain postrouting {{\n"
                    "    type nat hook postrouting priority srcnat; policy accept;\n{}  }}\n}}\n",
                    table, clamps, nats);
}

Gateway::Gateway(io::EventLoop& loop, std::string mark, std::string table, Emit emit)
    : mark_(std::move(mark)), table_(std::move(table)), emit_(std::move(emit)), runner_(loop, {}) {}

void Gateway::apply(const GatewayPlan& plan) {
  const bool left_behind = plan.rules.empty() && fs::exists(mark_);
  if (plan == applied_ && !left_behind) return;
  applied_ = plan;
  if (plan.rules.empty() && !left_behind) return;
  forward(plan);
  if (!write_setting(mark_, table_)) return fail("the mark " + mark_, "cannot be written");
  run_nft(gateway_ruleset(plan, table_), plan.rules.empty());
}

void Gateway::run_nft(const std::string& input, bool removes) {
  io::Program program;
  program.command = fmt::format("nft -f - <<'END'\n{}END", input);
  program.environment = {kPath};
  program.on_line = [this](const std::string& line) {
    if (line.contains("rror")) last_line_ = line;  // "Error: …", and where it stands follows
  };
  program.on_end = [this, removes](const std::string& outcome) {
    if (!outcome.empty())
      return fail("nft", last_line_.empty() ? outcome : fmt::format("{}: {}", outcome, last_line_));
    std::error_code none;
    if (removes) fs::remove(mark_, none);
  };
  last_line_.clear();
  if (!runner_.run(0, std::move(program))) fail("nft", "has too many changes to make at once");
}

void Gateway::forward(const GatewayPlan& plan) {
  for (const Family family : {Family::v4, Family::v6})
    if (std::ranges::any_of(plan.rules, [family](const auto& rule) {
          return rule.nat && !of_family(rule, family).empty();
        }))
      forward_family(family);
}

void Gateway::forward_family(Family family) {
  const std::string setting = kForwarding[family == Family::v6];
  if (read_setting(setting) == "1") return;
  if (family == Family::v6) keep_router_advertisements();
  if (!write_setting(setting, "1")) return fail(setting, "cannot be written");
  emit_({{}, trace::ForwardingOn{family == Family::v4 ? "IPv4" : "IPv6"}});
}

void Gateway::fail(const std::string& what, const std::string& outcome) {
  emit_({{}, trace::GatewayFailed{what, outcome}});
}

}  // namespace culvert
