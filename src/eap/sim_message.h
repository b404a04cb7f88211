// The messages that EAP-SIM (RFC 4186), EAP-AKA (RFC 4187) and EAP-AKA' (RFC 9048) share: a
// subtype and attributes, the last of which authenticates the packet.
#pragma once

#include <initializer_list>
#include <optional>
#include <vector>

#include "base/secret.h"
#include "crypto/provider.h"
#include "eap/packet.h"

namespace culvert::eap::sim {

enum class Subtype : std::uint8_t {
  aka_challenge = 1,
  authentication_reject = 2,
  synchronization_failure = 4,
  aka_identity = 5,
  start = 10,
  challenge = 11,
  notification = 12,
  client_error = 14,
};

enum class Attribute : std::uint8_t {
  rand = 1,
  autn = 2,
  res = 3,
  auts = 4,
  nonce_mt = 7,
  permanent_id_req = 10,
  mac = 11,
  notification = 12,
  any_id_req = 13,
  identity = 14,
  version_list = 15,
  selected_version = 16,
  fullauth_id_req = 17,
  client_error_code = 22,
  kdf_input = 23,
  kdf = 24,
  checkcode = 134,
  bidding = 136,
};

inline constexpr std::size_t kMacSize = 16;

// A message as views into the packet that it came in.
class Message {
 public:
  // Fails where attributes do not fill the packet, stand twice (RFC 4186, 6.2: only AT_KDF may), or
  // are unknown and may not be skipped.
  static Result<Message> parse(const Packet& packet);

  Subtype subtype() const { return subtype_; }
  bool has(Attribute type) const { return find(type) != nullptr; }
  // The two octets after type and length, where they are all that there is.
  std::optional<std::uint16_t> number(Attribute type) const;
  std::vector<std::uint16_t> numbers(Attribute type) const;
  // What follows those two octets, which are reserved.
  std::optional<ByteView> value(Attribute type) const;
  std::optional<ByteView> value(Attribute type, std::size_t size) const;
  // What follows them, when they are its length in octets (or bits) and padding follows.
  std::optional<ByteView> sized(Attribute type, std::size_t bits_per_unit = 8) const;
  std::optional<ByteView> auts() const;  // has nothing reserved

 private:
  friend bool mac_fits(Provider&, Prf, ByteView, const Packet&, const Message&,
                       std::initializer_list<ByteView>);
  struct Item {
    Attribute type;
    ByteView octets;     // after type and length: two at least
    std::size_t offset;  // of `octets` in the type-data
  };
  const Item* find(Attribute type) const;

  Subtype subtype_{};
  std::vector<Item> items_;
};

// Makes type-data.
class Composer {
 public:
  explicit Composer(Subtype subtype);
  void number(Attribute type, std::uint16_t number);
  void value(Attribute type, ByteView octets);  // padded, after two reserved octets
  void sized(Attribute type, ByteView octets, std::size_t bits_per_unit = 8);
  void auts(ByteView octets);
  Bytes take() { return std::move(data_); }
  // Adds AT_MAC over the packet with this head and `extra` (RFC 4186, 10.14). `prf` is HMAC-SHA-1,
  // and HMAC-SHA-256 for AKA'.
  Result<Bytes> take_with_mac(Provider& provider, Prf prf, ByteView key, const Packet& head,
                              std::initializer_list<ByteView> extra);

 private:
  void attribute(Attribute type, std::uint16_t number, ByteView octets);
  Bytes data_;
};

// Whether the packet has an AT_MAC that is right.
bool mac_fits(Provider& provider, Prf prf, ByteView key, const Packet& packet,
              const Message& message, std::initializer_list<ByteView> extra);

}  // namespace culvert::eap::sim
