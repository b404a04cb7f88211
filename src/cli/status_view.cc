// Owns the tables of `culvert status`. A field that the daemon leaves out is shown as "-".
#include "cli/status_view.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "cli/text.h"

namespace culvert::cli {
namespace {

using vici::List;
using vici::Section;

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return 'A' <= c && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return out;
}

std::string age_of(const Section& section, std::string_view key) {
  const auto seconds = parse_count(section.get(key));
  return seconds ? age_text(*seconds) : "-";
}

std::string joined(const Section& section, std::string_view key) {
  const auto* list = section.find_list(key);
  return list ? fmt::format("{}", fmt::join(*list, " ")) : std::string();
}

// "AES_GCM_16-128/PRF_HMAC_SHA2_256/CURVE_25519"
std::string suite_of(const Section& sa) {
  std::string suite(sa.get("encr-alg", "-"));
  if (const auto bits = sa.get("encr-keysize"); !bits.empty()) suite += fmt::format("-{}", bits);
  for (const auto* key : {"integ-alg", "prf-alg", "dh-group"})
    if (const auto name = sa.get(key); !name.empty()) suite += fmt::format("/{}", name);
  if (sa.get("esn") == "1") suite += "/ESN";
  return suite;
}

Colour colour_of(std::string_view state) {
  if (state == "ESTABLISHED" || state == "INSTALLED") return Colour::green;
  return Colour::yellow;
}

// The sections of messages that each hold some, with their names.
template <class F>
void for_each_section(const std::vector<vici::Message>& messages, F&& f) {
  for (const auto& message : messages)
    for (const auto& element : message.elements())
      if (const auto* section = std::get_if<Section>(&element.value)) f(element.name, *section);
}

std::string host_and_port(const Section& sa) {
  const auto host = sa.get("remote-host"), port = sa.get("remote-port");
  if (host.contains(':')) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

// " (10.9.0.1, fd09::1)": what that side has been assigned.
std::string addresses_of(const Section& sa, std::string_view side) {
  const List* addresses = sa.find_list(side);
  return addresses ? fmt::format(" ({})", fmt::join(*addresses, ", ")) : std::string();
}

std::vector<Cell> ike_row(const std::string& name, const Section& sa) {
  const auto state = sa.get("state");
  return {{fmt::format("{}[{}]", name, sa.get("uniqueid"))},
          {lower(state), colour_of(state)},
          {age_of(sa, "established")},
          {host_and_port(sa)},
          {fmt::format("{}{} - {}{}", sa.get("local-id"), addresses_of(sa, "local-vips"),
                       sa.get("remote-id"), addresses_of(sa, "remote-vips"))},
          {suite_of(sa)},
          {age_of(sa, "rekey-time")}};
}

// "drop mail, pass lan" for a connection that consists of such policies; else empty.
std::string shunts_of(const Section& connection) {
  std::string text;
  const auto* children = connection.find_section("children");
  if (children == nullptr) return {};
  for (const auto& element : children->elements()) {
    const auto* child = std::get_if<Section>(&element.value);
    const auto mode = child ? lower(child->get("mode")) : std::string();
    if (mode != "pass" && mode != "drop") return {};
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", mode, element.name);
  }
  return text;
}

std::vector<Cell> idle_row(const std::string& name, const Section& connection,
                           const StatusInput& input) {
  if (auto shunts = shunts_of(connection); !shunts.empty())
    return {{name}, {"policy"}, {"-"}, {"-"}, {std::move(shunts)}};
  const auto failure = input.failures.find(name);
  const bool failed = failure != input.failures.end() && failure->second.get("failed") == "yes";
  std::vector<Cell> row{{name},
                        {failed ? "failed" : "down", failed ? Colour::red : Colour::none},
                        {failed ? age_of(failure->second, "ago") : "-"},
                        {joined(connection, "remote_addrs")}};
  if (failed)
    row.push_back({fmt::format("{}; see: culvert why {}", failure->second.get("event"), name)});
  return row;
}

std::string traffic_of(const Section& child, std::string_view direction) {
  const auto octets = parse_count(child.get(fmt::format("bytes-{}", direction)));
  const auto packets = parse_count(child.get(fmt::format("packets-{}", direction)));
  if (!octets || !packets) return "-";
  return fmt::format("{} ({})", octets_text(*octets), *packets);
}

std::vector<Cell> child_row(const std::string& ike, const Section& child) {
  const auto state = child.get("state");
  return {{fmt::format("{}{{{}}}", child.get("name"), child.get("uniqueid"))},
          {ike},
          {lower(state), colour_of(state)},
          {fmt::format("{} === {}", joined(child, "local-ts"), joined(child, "remote-ts"))},
          {std::string(child.get("spi-in", "-"))},
          {std::string(child.get("spi-out", "-"))},
          {traffic_of(child, "in")},
          {traffic_of(child, "out")},
          {age_of(child, "install-time")},
          {age_of(child, "rekey-time")},
          {suite_of(child) + (child.get("encap") == "yes" ? " in UDP" : "")}};
}

std::string ike_table(const StatusInput& input, bool colours) {
  std::vector<std::vector<Cell>> rows;
  for_each_section(input.sas,
                   [&](const auto& name, const auto& sa) { rows.push_back(ike_row(name, sa)); });
  const auto idle = idle_connections(input);
  for_each_section(input.connections, [&](const auto& name, const auto& connection) {
    if (std::ranges::binary_search(idle, name)) rows.push_back(idle_row(name, connection, input));
  });
  if (rows.empty()) return "no connections are loaded\n";
  return table_text({"CONNECTION", "STATE", "SINCE", "PEER", "IDENTITIES", "SUITE", "REKEY IN"},
                    rows, colours);
}

std::string child_table(const StatusInput& input, bool colours) {
  std::vector<std::vector<Cell>> rows;
  for_each_section(input.sas, [&](const auto& name, const auto& sa) {
    const auto* children = sa.find_section("child-sas");
    if (!children) return;
    const auto ike = fmt::format("{}[{}]", name, sa.get("uniqueid"));
    for (const auto& element : children->elements())
      if (const auto* child = std::get_if<Section>(&element.value))
        rows.push_back(child_row(ike, *child));
  });
  if (rows.empty()) return {};
  return "\n" + table_text({"CHILD SA", "OF", "STATE", "SELECTORS", "SPI IN", "SPI OUT", "IN",
                            "OUT", "AGE", "REKEY IN", "SUITE"},
                           rows, colours);
}

}  // namespace

std::vector<std::string> idle_connections(const StatusInput& input) {
  std::set<std::string> names;
  for_each_section(input.connections, [&](const auto& name, const auto&) { names.insert(name); });
  for_each_section(input.sas, [&](const auto& name, const auto&) { names.erase(name); });
  return {names.begin(), names.end()};
}

std::string status_text(const StatusInput& input, bool colours) {
  std::string text = ike_table(input, colours) + child_table(input, colours);
  std::string_view title = "\ndata plane: ";
  if (const auto* facts = input.daemon.find_list("data-plane"))
    for (const auto& fact : *facts)
      text += std::string(std::exchange(title, "            ")) + printable(fact) + "\n";
  return text;
}

vici::Message status_message(const StatusInput& input) {
  vici::Message message;
  Section& connections = message.add_section("connections");
  for_each_section(input.connections, [&](const auto& name, const auto& connection) {
    connections.add_section(name) = connection;
  });
  Section& sas = message.add_section("sas");
  for_each_section(input.sas, [&](const auto& name, const auto& sa) {
    auto& section = sas.add_section(fmt::format("{}-{}", name, sa.get("uniqueid")));
    section.add("name", name);
    for (const auto& element : sa.elements()) section.elements().push_back(element);
  });
  Section& failures = message.add_section("failures");
  for (const auto& [name, failure] : input.failures) failures.add_section(name) = failure;
  message.add_section("daemon") = input.daemon;
  return message;
}

}  // namespace culvert::cli
