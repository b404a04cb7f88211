// Invariant: nothing here fails; what cannot be read is as if it were not there.
#include "radius/authorization.h"

#include <algorithm>
#include <bit>

#include "base/limits.h"
#include "eap/packet.h"

namespace culvert::radius {
namespace {

// RFC 2548, 2.7
enum class MicrosoftType : std::uint8_t {
  primary_dns = 28,
  secondary_dns = 29,
  primary_nbns = 30,
  secondary_nbns = 31
};

// Those of Cisco's (formerly Altiga's) VPN 3000 that concern remote access.
enum class AltigaType : std::uint8_t {
  primary_dns = 5,
  secondary_dns = 6,
  primary_wins = 7,
  secondary_wins = 8,
  banner1 = 15,
  group_policy = 25,
  split_tunnel_list = 27,
  default_domain = 28,
  split_dns_names = 29,
  banner2 = 36,
  split_tunneling_policy = 55
};

template <class T>
void add(std::vector<T>& to, T value) {
  if (to.size() < limits::kMaxAuthorizationItems) to.push_back(std::move(value));
}

void add_address(std::vector<IpAddress>& to, ByteView value, std::size_t size) {
  if (value.size() == size) add(to, IpAddress::from_bytes(value));
}

std::optional<std::chrono::seconds> seconds(ByteView value) {
  if (value.size() != 4) return std::nullopt;
  return std::chrono::seconds(load_be<std::uint32_t>(value.data()));
}

// RFC 3162, 2.3: reserved octet, length, and as many octets of the prefix as it needs.
void add_prefix(std::vector<Prefix>& to, ByteView value) {
  if (value.size() < 2 || value.size() > 18 || value[1] > 128) return;
  std::array<std::uint8_t, 16> octets{};
  std::ranges::copy(value.subspan(2), octets.begin());
  add(to, Prefix::make(IpAddress::from_bytes(octets), value[1]));
}

void add_group(Authorization& to, ByteView value) {
  std::string name = std::string(as_text(value));
  if (!name.empty() && std::ranges::find(to.groups, name) == to.groups.end())
    add(to.groups, std::move(name));
}

// Calls f with each word of a list that commas or blanks divide.
template <class F>
void for_each_word(std::string_view list, F&& f) {
  constexpr std::string_view kDividers = ", ;\n\r\t";
  while (!list.empty()) {
    const std::size_t end = std::min(list.find_first_of(kDividers), list.size());
    if (end > 0) f(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}

// "10.0.0.0/8", or as Cisco writes it "10.0.0.0/255.0.0.0".
std::optional<Prefix> parse_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto mask = slash == text.npos ? std::nullopt : IpAddress::parse(text.substr(slash + 1));
  if (!mask) return Prefix::parse(text);
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address || !address->is_v4() || !mask->is_v4()) return std::nullopt;
  const int length = std::countl_one(mask->v4_value());
  if (std::popcount(mask->v4_value()) != length) return std::nullopt;
  return Prefix::make(*address, length);
}

void read_microsoft(Authorization& to, std::uint8_t type, ByteView value) {
  switch (static_cast<MicrosoftType>(type)) {
    case MicrosoftType::primary_dns:
    case MicrosoftType::secondary_dns:
      return add_address(to.dns, value, 4);
    case MicrosoftType::primary_nbns:
    case MicrosoftType::secondary_nbns:
      return add_address(to.nbns, value, 4);
  }
}

void read_altiga(Authorization& to, std::uint8_t type, ByteView value) {
  switch (static_cast<AltigaType>(type)) {
    case AltigaType::primary_dns:
    case AltigaType::secondary_dns:
      return add_address(to.dns, value, 4);
    case AltigaType::primary_wins:
    case AltigaType::secondary_wins:
      return add_address(to.nbns, value, 4);
    case AltigaType::banner1:
      to.banner = std::string(as_text(value)) + to.banner;
      return;
    case AltigaType::banner2:
      to.banner += std::string(as_text(value));
      return;
    case AltigaType::group_policy:
      return add_group(to, value);
    case AltigaType::split_tunnel_list:
      return for_each_word(as_text(value), [&](std::string_view word) {
        if (const auto network = parse_network(word)) add(to.split_networks, *network);
      });
    case AltigaType::default_domain:
      to.default_domain = std::string(as_text(value));
      return;
    case AltigaType::split_dns_names:
      return for_each_word(
          as_text(value), [&](std::string_view word) { add(to.split_domains, std::string(word)); });
    case AltigaType::split_tunneling_policy:
      if (value.size() == 4 && value[3] == 1) to.split = Authorization::Split::include;
      if (value.size() == 4 && value[3] == 2) to.split = Authorization::Split::exclude;
      return;
  }
}

void read_framed_ip(Authorization& to, ByteView value) {
  if (value.size() != 4) return;
  // RFC 2865, 5.8: the user, or the NAS, is to choose.
  const auto address = load_be<std::uint32_t>(value.data());
  if (address < 0xfffffffe && address != 0) add(to.addresses, IpAddress::v4(address));
}

void read_standard(Authorization& to, const Attribute& attribute) {
  const ByteView value = attribute.value;
  switch (attribute.type) {
    case Type::user_name:
      to.user_name.assign(as_text(value));
      return;
    case Type::framed_ip_address:
      return read_framed_ip(to, value);
    case Type::framed_ipv6_address:
      return add_address(to.addresses, value, 16);
    case Type::framed_ipv6_prefix:
      return add_prefix(to.ipv6_prefixes, value);
    case Type::framed_pool:
      to.pool = std::string(as_text(value));
      return;
    case Type::framed_ipv6_pool:
      to.ipv6_pool = std::string(as_text(value));
      return;
    case Type::dns_server_ipv6_address:
      return add_address(to.dns, value, 16);
    case Type::class_:
      add(to.classes, to_bytes(value));
      return add_group(to, value);
    case Type::filter_id:
      return add_group(to, value);
    case Type::session_timeout:
      to.session_timeout = seconds(value);
      return;
    case Type::idle_timeout:
      to.idle_timeout = seconds(value);
      return;
    case Type::acct_interim_interval:
      to.interim_interval = seconds(value);
      return;
    case Type::termination_action:
      to.reauthenticate = value.size() == 4 && value[3] == 1;
      return;
    case Type::reply_message:
      to.reply_message += eap::printable(as_text(value));
      return;
    default:
      return;
  }
}

}  // namespace

Authorization read_authorization(const Packet& packet) {
  Authorization authorization;
  for (std::size_t i = 0; i < packet.count(); ++i) read_standard(authorization, packet.at(i));
  for (const VendorAttribute& attribute : packet.vendor_attributes()) {
    if (attribute.vendor == Vendor::microsoft)
      read_microsoft(authorization, attribute.type, attribute.value);
    if (attribute.vendor == Vendor::altiga)
      read_altiga(authorization, attribute.type, attribute.value);
  }
  return authorization;
}

}  // namespace culvert::radius
