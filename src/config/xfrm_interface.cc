// Owns the keys of xfrm_interface.
#include "config/xfrm_interface.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/device_name.h"

namespace culvert::config {
namespace {

constexpr std::string_view kKey = "xfrm_interface";
constexpr std::int64_t kSmallestMtu = 576, kLargestMtu = 65'535;

std::uint32_t number_of(std::string_view name) {
  std::uint32_t hash = 2'166'136'261;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16'777'619;
  constexpr std::uint32_t kNumbers = XfrmInterface::kLastNumber - XfrmInterface::kFirstNumber + 1;
  return XfrmInterface::kFirstNumber + hash % kNumbers;
}

std::optional<XfrmInterface> named(TableReader& table, std::string_view key,
                                   const LocatedText& name) {
  if (!is_device_name(name.value)) {
    table.report().error(name.at, fmt::format("{}: {} is not a name for a network device",
                                              table.place(key), in_quotes(name.value)));
    return std::nullopt;
  }
  XfrmInterface interface;
  interface.name = name.value;
  interface.if_id = number_of(name.value);
  return interface;
}

// "10.1.0.1/24", or "10.1.0.1".
std::optional<XfrmInterface::Address> parse_address(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == text.npos)
    return XfrmInterface::Address{*address, static_cast<std::uint8_t>(address->bits())};
  const auto prefix = Prefix::parse(text);
  if (!prefix) return std::nullopt;
  return XfrmInterface::Address{*address, prefix->length};
}

void read_details(TableReader& table, XfrmInterface& interface) {
  for (const LocatedText& text : table.texts("address")) {
    if (const auto address = parse_address(text.value))
      interface.addresses.push_back(*address);
    else
      table.report().error(text.at, fmt::format("{}: {} is not an address with a prefix length",
                                                table.place("address"), in_quotes(text.value)));
  }
  if (const auto mtu = table.integer("mtu", kSmallestMtu, kLargestMtu))
    interface.mtu = static_cast<std::uint32_t>(*mtu);
  interface.routes = table.boolean("routes").value_or(true);
}

}  // namespace

std::optional<XfrmInterface> read_xfrm_interface(TableReader& table) {
  const Member* member = table.any(kKey);
  if (!member) return std::nullopt;
  if (const auto* text = std::get_if<std::string>(&member->value.content))
    return named(table, kKey, {*text, member->value.at});
  const auto* content = std::get_if<Table>(&member->value.content);
  if (!content) {
    table.wrong_type(kKey, member->value, "a name or a table");
    return std::nullopt;
  }
  TableReader details(*content, table.place(kKey), member->at, table.report());
  const auto name = details.text("name");
  if (!name && !details.any("name"))
    table.report().error(member->at, table.place(kKey) + ": no 'name' is given");
  auto interface = name ? named(details, "name", *name) : XfrmInterface{};
  if (interface) read_details(details, *interface);
  details.finish();
  return name ? interface : std::nullopt;
}

void add_xfrm_interface(const XfrmInterface& interface, Position at, Report& report,
                        std::vector<XfrmInterface>& all) {
  for (const XfrmInterface& other : all) {
    if (other == interface) return;
    if (other.name == interface.name)
      return report.error(at, fmt::format("tunnels describe the interface {} differently",
                                          in_quotes(interface.name)));
    if (other.if_id == interface.if_id)
      return report.error(at,
                          fmt::format("the interfaces {} and {} get the same number",
                                      in_quotes(other.name), in_quotes(interface.name)),
                          "choose another name for one of them");
  }
  all.push_back(interface);
}

}  // namespace culvert::config
