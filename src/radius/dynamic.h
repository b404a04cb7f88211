// Dynamic authorization, server side (RFC 5176): Disconnect-Request and CoA-Request of configured
// clients become commands for the caller, whose answers become ACK or NAK. A request that comes
// again gets the answer it got before.
#pragma once

#include <chrono>
#include <deque>
#include <unordered_map>

#include "radius/accounting.h"
#include "radius/authorization.h"

namespace culvert::radius {

// RFC 5176, 3.5
enum class ErrorCause : std::uint32_t {
  none = 0,  // ACK
  unsupported_attribute = 401,
  missing_attribute = 402,
  nas_identification_mismatch = 403,
  unsupported_service = 405,
  invalid_attribute_value = 407,
  session_context_not_found = 503,
  resources_unavailable = 506
};

// Which sessions a request means: those that have all that is given here.
struct Selection {
  std::optional<std::string> user_name, session_id, port_id, calling_station, called_station;
  std::optional<std::uint32_t> port;
  std::vector<IpAddress> addresses;
  bool matches(const Session& session) const;
};

class DynamicAuthorization {
 public:
  struct Options {
    bool require_message_authenticator = true;
    bool require_event_timestamp = false;
    Duration window = std::chrono::seconds(300);  // RFC 5176, 6.3
  };
  struct Peer {
    IpAddress address;
    SecretBytes secret;
  };

  // The provider outlives this.
  DynamicAuthorization(Provider& provider, Nas nas, std::vector<Peer> peers, Options options);

  using CommandId = StrongId<struct DynamicCommandTag, std::uint64_t>;
  struct Command {
    CommandId id;  // for answer()
    Endpoint remote;
    bool disconnect = false;
    Selection selection;
    Authorization changes;  // of a CoA-Request
  };
  // Nothing is answered.
  struct Ignored {
    std::string_view why;  // a literal
  };
  using Received = std::variant<Command, Bytes, Ignored>;  // Bytes: the reply, at once
  Received receive(const Endpoint& remote, ByteView octets, std::chrono::sys_seconds wall,
                   TimePoint now);

  struct Reply {
    Endpoint remote;
    Bytes octets;
  };
  // `cause` none: it was done. Nothing when it is too late.
  std::optional<Reply> answer(CommandId id, ErrorCause cause);

 private:
  // What makes a request the same one: RFC 5176, 2.3, and the authenticator, because identifiers
  // of busy clients come again.
  struct Key {
    Endpoint remote;
    std::uint8_t identifier = 0;
    Authenticator authenticator{};
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept;
  };
  struct Entry {
    Packet request;
    Bytes reply;  // empty: none yet
    CommandId id;
  };

  std::string_view distrust(ByteView secret, const Packet& request, std::chrono::sys_seconds wall);
  ErrorCause examine(const Packet& request, Command& command) const;
  ErrorCause read(const Attribute& attribute, Command& command) const;
  Bytes reply(ByteView secret, const Packet& request, ErrorCause cause);
  void forget(TimePoint now);

  Provider& provider_;
  Nas nas_;
  std::unordered_map<IpAddress, SecretBytes> peers_;
  Options options_;
  std::unordered_map<Key, Entry, KeyHash> entries_;
  std::unordered_map<CommandId, Key> commands_;
  std::deque<std::pair<TimePoint, Key>> ages_;
  std::uint64_t next_id_ = 1;
};

}  // namespace culvert::radius
