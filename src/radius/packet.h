// The packets of RADIUS (RFC 2865, 2866, 2869, 3162, 3579, 5176, 5997): decoding into views,
// encoding attribute by attribute. What authenticates them stands in signature.h.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "net/address.h"

namespace culvert::radius {

inline constexpr std::size_t kHeaderSize = 20;
inline constexpr std::size_t kAuthenticatorSize = 16;
using Authenticator = std::array<std::uint8_t, kAuthenticatorSize>;

enum class Code : std::uint8_t {
  access_request = 1,
  access_accept = 2,
  access_reject = 3,
  accounting_request = 4,
  accounting_response = 5,
  access_challenge = 11,
  status_server = 12,
  disconnect_request = 40,
  disconnect_ack = 41,
  disconnect_nak = 42,
  coa_request = 43,
  coa_ack = 44,
  coa_nak = 45
};

enum class Type : std::uint8_t {
  user_name = 1,
  user_password = 2,
  nas_ip_address = 4,
  nas_port = 5,
  service_type = 6,
  framed_protocol = 7,
  framed_ip_address = 8,
  framed_ip_netmask = 9,
  filter_id = 11,
  framed_mtu = 12,
  reply_message = 18,
  state = 24,
  class_ = 25,
  vendor_specific = 26,
  session_timeout = 27,
  idle_timeout = 28,
  termination_action = 29,
  called_station_id = 30,
  calling_station_id = 31,
  nas_identifier = 32,
  proxy_state = 33,
  acct_status_type = 40,
  acct_delay_time = 41,
  acct_input_octets = 42,
  acct_output_octets = 43,
  acct_session_id = 44,
  acct_authentic = 45,
  acct_session_time = 46,
  acct_input_packets = 47,
  acct_output_packets = 48,
  acct_terminate_cause = 49,
  acct_multi_session_id = 50,
  acct_input_gigawords = 52,
  acct_output_gigawords = 53,
  event_timestamp = 55,
  nas_port_type = 61,
  tunnel_type = 64,
  eap_message = 79,
  message_authenticator = 80,
  acct_interim_interval = 85,
  nas_port_id = 87,
  framed_pool = 88,
  nas_ipv6_address = 95,
  framed_interface_id = 96,
  framed_ipv6_prefix = 97,
  framed_ipv6_pool = 100,
  error_cause = 101,
  framed_ipv6_address = 168,  // RFC 6911
  dns_server_ipv6_address = 169
};

// The Private Enterprise Number of a Vendor-Specific attribute (RFC 2865, 5.26).
enum class Vendor : std::uint32_t { microsoft = 311, altiga = 3'076 };

struct Attribute {
  Type type{};
  ByteView value;
};

// One attribute inside a Vendor-Specific one.
struct VendorAttribute {
  Vendor vendor{};
  std::uint8_t type = 0;
  ByteView value;
};

// A well-formed packet: its attributes fill it exactly.
class Packet {
 public:
  // Takes a copy. Octets past the Length field are padding (RFC 2865, 3).
  static Result<Packet> decode(ByteView datagram);

  Code code() const { return static_cast<Code>(octets_[0]); }
  std::uint8_t identifier() const { return octets_[1]; }
  // The Request or Response Authenticator, as it was sent.
  ByteView authenticator() const { return octets().subspan(4, kAuthenticatorSize); }
  ByteView octets() const { return octets_; }
  std::size_t count() const { return values_.size(); }
  Attribute at(std::size_t index) const;

  // The first of this type.
  std::optional<ByteView> find(Type type) const;
  // The first of this type that has four octets.
  std::optional<std::uint32_t> find_u32(Type type) const;
  // The values of all of this type, one after the other (EAP-Message: RFC 3579, 3.1).
  Bytes joined(Type type) const;
  // Of well-formed Vendor-Specific attributes, in order; others are left out.
  std::vector<VendorAttribute> vendor_attributes() const;
  // Where the value of the first one of this type begins; 0: there is none.
  std::size_t offset_of(Type type) const;

 private:
  struct Value {
    std::uint16_t offset;  // of its octets, past type and length
    std::uint8_t size;
  };
  Packet() = default;
  ByteView value(const Value& at) const { return octets().subspan(at.offset, at.size); }
  Type type_of(const Value& at) const { return static_cast<Type>(octets_[at.offset - 2u]); }

  Bytes octets_;
  std::vector<Value> values_;
};

// Appends attributes to a list of them. Values that are too long are cut where RFC 2865, 5 lets
// them be (text), and split where it lets them be (EAP-Message).
class AttributeWriter {
 public:
  explicit AttributeWriter(Bytes& out) : out_(out) {}

  // At most limits::kMaxRadiusAttribute octets of it; nothing for an empty value, which RFC 2865, 5
  // wants left out.
  void add(Type type, ByteView value);
  void add(Type type, std::string_view text) { add(type, as_bytes(text)); }
  void add(Type type, std::uint32_t value);
  void add_vendor(Vendor vendor, std::uint8_t type, ByteView value);
  // NAS-IP-Address or NAS-IPv6-Address, Framed-IP-Address or Framed-IPv6-Address; nothing for none.
  void add(Type v4, Type v6, const IpAddress& address);
  // Split over as many attributes as it takes (RFC 3579, 3.1).
  void add_eap(ByteView packet);

 private:
  Bytes& out_;
};

}  // namespace culvert::radius
