// Owns the text form of traffic selectors.
// Invariant: parse_selector(to_string(s)) == s. Protocol and service names come from the tables
// here, never from the system's files, so that text means the same everywhere.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "policy/traffic_selector.h"

namespace culvert {
namespace {

constexpr std::uint8_t kIcmp = 1, kTcp = 6, kUdp = 17, kIcmp6 = 58;
constexpr std::uint16_t kMaxPort = 65'535;

struct ProtocolName {
  std::string_view name;
  std::uint8_t number;
};
constexpr ProtocolName kProtocols[] = {
    {"icmp", kIcmp},    {"igmp", 2},   {"ipencap", 4},   {"tcp", kTcp},
    {"udp", kUdp},      {"dccp", 33},  {"ipv6", 41},     {"gre", 47},
    {"esp", 50},        {"ah", 51},    {"skip", 57},     {"ipv6-icmp", kIcmp6},
    {"icmpv6", kIcmp6}, {"ospf", 89},  {"pim", 103},     {"vrrp", 112},
    {"l2tp", 115},      {"sctp", 132}, {"udplite", 136}, {"mobility-header", 135},
};

// The first name of a port is the one we print. As in Debian's /etc/services.
struct ServiceName {
  std::string_view name;
  std::uint16_t port;
  bool tcp, udp;
};
constexpr ServiceName kServices[] = {
    {"ftp", 21, true, false},           {"ssh", 22, true, false},
    {"telnet", 23, true, false},        {"smtp", 25, true, false},
    {"domain", 53, true, true},         {"bootps", 67, false, true},
    {"bootpc", 68, false, true},        {"tftp", 69, false, true},
    {"http", 80, true, false},          {"www", 80, true, false},
    {"kerberos", 88, true, true},       {"pop3", 110, true, false},
    {"sunrpc", 111, true, true},        {"ntp", 123, false, true},
    {"imap2", 143, true, false},        {"imap", 143, true, false},
    {"snmp", 161, true, true},          {"snmp-trap", 162, true, true},
    {"bgp", 179, true, false},          {"ldap", 389, true, true},
    {"https", 443, true, true},         {"microsoft-ds", 445, true, true},
    {"isakmp", 500, false, true},       {"syslog", 514, false, true},
    {"ldaps", 636, true, true},         {"domain-s", 853, true, true},
    {"imaps", 993, true, false},        {"pop3s", 995, true, false},
    {"ms-sql-s", 1433, true, false},    {"l2f", 1701, false, true},
    {"l2tp", 1701, false, true},        {"radius", 1812, true, true},
    {"radius-acct", 1813, true, true},  {"nfs", 2049, true, true},
    {"mysql", 3306, true, false},       {"ms-wbt-server", 3389, true, false},
    {"ipsec-nat-t", 4500, false, true}, {"sip", 5060, true, true},
    {"sip-tls", 5061, true, true},      {"postgresql", 5432, true, false},
    {"http-alt", 8080, true, true},
};

bool applies(const ServiceName& row, std::uint8_t protocol) {
  return protocol == 0 || (protocol == kTcp && row.tcp) || (protocol == kUdp && row.udp);
}
bool is_icmp(std::uint8_t protocol) { return protocol == kIcmp || protocol == kIcmp6; }

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || at != end) return std::nullopt;
  return value;
}

std::optional<std::uint8_t> parse_protocol(std::string_view text) {
  if (text.empty() || text == "any" || text == "%any") return 0;
  const auto* row = std::ranges::find(kProtocols, text, &ProtocolName::name);
  if (row != std::end(kProtocols)) return row->number;
  return parse_number<std::uint8_t>(text);
}

// "8" or "3(4)"; numbers from 256 up are type and code in one, as in strongSwan.
std::optional<std::uint16_t> parse_icmp(std::string_view text) {
  const auto open = text.find('(');
  const auto type = parse_number<std::uint16_t>(text.substr(0, open));
  if (!type) return std::nullopt;
  if (open == std::string_view::npos)
    return *type < 256 ? static_cast<std::uint16_t>(*type << 8) : *type;
  if (*type > 255 || !text.ends_with(')')) return std::nullopt;
  const auto code = parse_number<std::uint8_t>(text.substr(open + 1, text.size() - open - 2));
  if (!code) return std::nullopt;
  return static_cast<std::uint16_t>(*type << 8 | *code);
}

std::optional<std::uint16_t> parse_port(std::string_view text, std::uint8_t protocol) {
  return is_icmp(protocol) ? parse_icmp(text) : parse_number<std::uint16_t>(text);
}

bool parse_ports(std::string_view text, TrafficSelector& to) {
  if (text.empty() || text == "any" || text == "%any") return true;
  if (text == "opaque" || text == "OPAQUE") {
    to.start_port = kMaxPort;
    to.end_port = 0;
    return true;
  }
  for (const auto& row : kServices) {
    if (row.name != text || !applies(row, to.protocol)) continue;
    to.start_port = to.end_port = row.port;
    return true;
  }
  const auto dash = text.find('-');
  const auto start = parse_port(text.substr(0, dash), to.protocol);
  const auto end =
      dash == std::string_view::npos ? start : parse_port(text.substr(dash + 1), to.protocol);
  if (!start || !end || *start > *end) return false;
  to.start_port = *start;
  to.end_port = *end;
  return true;
}

// The inside of the brackets: "tcp", "tcp/http", "/53".
bool parse_protocol_and_ports(std::string_view text, TrafficSelector& to) {
  const auto slash = text.find('/');
  const auto protocol = parse_protocol(text.substr(0, slash));
  if (!protocol) return false;
  to.protocol = *protocol;
  return slash == std::string_view::npos || parse_ports(text.substr(slash + 1), to);
}

bool parse_addresses(std::string_view text, TrafficSelector& to) {
  const bool dots = text.contains("..");
  const auto split = dots ? text.find("..") : text.find('-');
  if (split == std::string_view::npos) {
    const auto prefix = Prefix::parse(text);
    if (!prefix) return false;
    to.first = prefix->first();
    to.last = prefix->last();
    return true;
  }
  const auto first = IpAddress::parse(text.substr(0, split));
  const auto last = IpAddress::parse(text.substr(split + (dots ? 2 : 1)));
  if (!first || !last || first->family() != last->family() || *last < *first) return false;
  to.first = *first;
  to.last = *last;
  return true;
}

std::string protocol_text(std::uint8_t protocol) {
  const auto* row = std::ranges::find(kProtocols, protocol, &ProtocolName::number);
  return row == std::end(kProtocols) ? fmt::to_string(protocol) : std::string(row->name);
}

std::string icmp_text(std::uint16_t value) {
  const unsigned code = value & 0xffu;
  return code == 0 ? fmt::to_string(value >> 8) : fmt::format("{}({})", value >> 8, code);
}

std::string ports_text(const TrafficSelector& selector) {
  const auto [start, end] = std::pair(selector.start_port, selector.end_port);
  if (start == kMaxPort && end == 0) return "OPAQUE";
  if (is_icmp(selector.protocol))
    return start == end ? icmp_text(start) : fmt::format("{}-{}", icmp_text(start), icmp_text(end));
  if (start != end) return fmt::format("{}-{}", start, end);
  for (const auto& row : kServices)
    if (row.port == start && applies(row, selector.protocol)) return std::string(row.name);
  return fmt::to_string(start);
}

std::string restriction_text(const TrafficSelector& selector) {
  const bool any_port = selector.start_port == 0 && selector.end_port == kMaxPort;
  if (selector.protocol == 0 && any_port) return {};
  const std::string protocol = selector.protocol == 0 ? "" : protocol_text(selector.protocol);
  return any_port ? fmt::format("[{}]", protocol)
                  : fmt::format("[{}/{}]", protocol, ports_text(selector));
}

}  // namespace

std::optional<SelectorConfig> parse_selector(std::string_view text) {
  SelectorConfig config;
  const auto open = text.find('[');
  const std::string_view addresses = text.substr(0, open);
  if (open != std::string_view::npos) {
    if (!text.ends_with(']')) return std::nullopt;
    const auto inside = text.substr(open + 1, text.size() - open - 2);
    if (!parse_protocol_and_ports(inside, config.selector)) return std::nullopt;
  }
  config.dynamic = addresses == "dynamic" || (addresses.empty() && open == 0);
  if (!config.dynamic && !parse_addresses(addresses, config.selector)) return std::nullopt;
  return config;
}

std::string to_string(const TrafficSelector& selector) {
  const auto prefix = exact_prefix(selector.first, selector.last);
  const std::string addresses =
      prefix ? prefix->to_string() : selector.first.to_string() + ".." + selector.last.to_string();
  return addresses + restriction_text(selector);
}

std::string to_string(const std::vector<TrafficSelector>& selectors) {
  std::string text;
  for (const auto& selector : selectors) {
    if (!text.empty()) text += ' ';
    text += to_string(selector);
  }
  return text;
}

std::string to_string(const SelectorConfig& config) {
  return config.dynamic ? "dynamic" + restriction_text(config.selector)
                        : to_string(config.selector);
}

}  // namespace culvert
