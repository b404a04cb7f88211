// Invariant: a request is answered only after its authenticator was checked; entries_ has what came
// within the window, and ages_ names each of them in its order.
#include "radius/dynamic.h"

#include <algorithm>

#include "base/limits.h"

namespace culvert::radius {
namespace {

bool is_disconnect(const Packet& request) { return request.code() == Code::disconnect_request; }

Code reply_code(const Packet& request, ErrorCause cause) {
  const bool done = cause == ErrorCause::none;
  if (is_disconnect(request)) return done ? Code::disconnect_ack : Code::disconnect_nak;
  return done ? Code::coa_ack : Code::coa_nak;
}

bool same(const std::optional<std::string>& wanted, std::string_view value) {
  return !wanted || *wanted == value;
}

std::optional<std::string> text(const Attribute& attribute) {
  return std::string(as_text(attribute.value));
}

}  // namespace

bool Selection::matches(const Session& session) const {
  return same(user_name, session.user_name) && same(session_id, session.id) &&
         same(port_id, session.port.connection) &&
         same(calling_station, station_id(session.port.remote)) &&
         same(called_station, station_id(session.port.local)) &&
         (!port || *port == session.port.number) &&
         std::ranges::all_of(addresses, [&](const IpAddress& address) {
           return std::ranges::find(session.addresses, address) != session.addresses.end();
         });
}

DynamicAuthorization::DynamicAuthorization(Provider& provider, Nas nas, std::vector<Peer> peers,
                                           Options options)
    : provider_(provider), nas_(std::move(nas)), options_(options) {
  for (Peer& peer : peers) peers_.insert_or_assign(peer.address, std::move(peer.secret));
}

std::size_t DynamicAuthorization::KeyHash::operator()(const Key& key) const noexcept {
  // The authenticator is a digest: any of its octets will do.
  return std::hash<Endpoint>{}(key.remote) ^
         static_cast<std::size_t>(load_be<std::uint64_t>(key.authenticator.data()));
}

void DynamicAuthorization::forget(TimePoint now) {
  while (!ages_.empty() && (ages_.front().first + options_.window <= now ||
                            entries_.size() >= limits::kMaxDynamicReplies)) {
    if (const auto found = entries_.find(ages_.front().second); found != entries_.end()) {
      commands_.erase(found->second.id);
      entries_.erase(found);
    }
    ages_.pop_front();
  }
}

std::string_view DynamicAuthorization::distrust(ByteView secret, const Packet& request,
                                                std::chrono::sys_seconds wall) {
  const auto found =
      check_request(provider_, secret, request, options_.require_message_authenticator);
  if (!found) return "its authenticator cannot be computed: MD5 is not available";
  switch (*found) {
    case Distrust::none:
      break;
    case Distrust::missing_message_authenticator:
      return "it has no Message-Authenticator; let the client send one";
    case Distrust::bad_authenticator:
    case Distrust::bad_message_authenticator:
      return "its authenticator is wrong: the shared secrets differ, or it is forged";
  }
  const auto timestamp = request.find_u32(Type::event_timestamp);
  if (!timestamp)
    return options_.require_event_timestamp ? "it has no Event-Timestamp; let the client send one"
                                            : "";
  const std::chrono::sys_seconds sent{std::chrono::seconds(*timestamp)};
  if (std::chrono::abs(wall - sent) > options_.window)
    return "its Event-Timestamp is too old or too new: it is repeated, or the clocks differ";
  return {};
}

// RFC 5176, 3: what says which session is meant, what is to be changed, and nothing else.
ErrorCause DynamicAuthorization::read(const Attribute& attribute, Command& command) const {
  Selection& selection = command.selection;
  const ByteView value = attribute.value;
  switch (attribute.type) {
    case Type::user_name:
      selection.user_name = text(attribute);
      return ErrorCause::none;
    case Type::acct_session_id:
      selection.session_id = text(attribute);
      return ErrorCause::none;
    case Type::nas_port_id:
      selection.port_id = text(attribute);
      return ErrorCause::none;
    case Type::calling_station_id:
      selection.calling_station = text(attribute);
      return ErrorCause::none;
    case Type::called_station_id:
      selection.called_station = text(attribute);
      return ErrorCause::none;
    case Type::nas_port:
      if (value.size() != 4) return ErrorCause::invalid_attribute_value;
      selection.port = load_be<std::uint32_t>(value.data());
      return ErrorCause::none;
    case Type::framed_ip_address:
    case Type::framed_ipv6_address:
      if (value.size() != (attribute.type == Type::framed_ip_address ? 4 : 16))
        return ErrorCause::invalid_attribute_value;
      selection.addresses.push_back(IpAddress::from_bytes(value));
      return ErrorCause::none;
    case Type::nas_identifier:
      return as_text(value) == nas_.identifier ? ErrorCause::none
                                               : ErrorCause::nas_identification_mismatch;
    case Type::nas_ip_address:
    case Type::nas_ipv6_address:
      return equal(value, nas_.address.bytes()) ? ErrorCause::none
                                                : ErrorCause::nas_identification_mismatch;
    case Type::event_timestamp:
    case Type::message_authenticator:
    case Type::proxy_state:
    case Type::acct_terminate_cause:
    case Type::reply_message:
      return ErrorCause::none;
    case Type::session_timeout:
    case Type::idle_timeout:
    case Type::acct_interim_interval:
      if (value.size() != 4) return ErrorCause::invalid_attribute_value;
      [[fallthrough]];
    case Type::filter_id:
    case Type::class_:
      return command.disconnect ? ErrorCause::unsupported_attribute : ErrorCause::none;
    case Type::service_type:  // Authorize Only: RFC 5176, 3.2
      return ErrorCause::unsupported_service;
    default:
      return ErrorCause::unsupported_attribute;
  }
}

ErrorCause DynamicAuthorization::examine(const Packet& request, Command& command) const {
  command.disconnect = is_disconnect(request);
  for (std::size_t i = 0; i < request.count(); ++i)
    if (const auto cause = read(request.at(i), command); cause != ErrorCause::none) return cause;
  const Selection& selection = command.selection;
  const bool selects = selection.user_name || selection.session_id || selection.port_id ||
                       selection.calling_station || selection.called_station || selection.port ||
                       !selection.addresses.empty();
  if (!selects) return ErrorCause::missing_attribute;
  if (!command.disconnect) command.changes = read_authorization(request);
  return ErrorCause::none;
}

Bytes DynamicAuthorization::reply(ByteView secret, const Packet& request, ErrorCause cause) {
  Bytes attributes;
  AttributeWriter writer(attributes);
  if (cause != ErrorCause::none) writer.add(Type::error_cause, static_cast<std::uint32_t>(cause));
  for (std::size_t i = 0; i < request.count(); ++i)  // RFC 5176, 3.1
    if (request.at(i).type == Type::proxy_state) writer.add(Type::proxy_state, request.at(i).value);
  return sign_response(provider_, secret, reply_code(request, cause), request, attributes)
      .value_or(Bytes{});
}

DynamicAuthorization::Received DynamicAuthorization::receive(const Endpoint& remote,
                                                             ByteView octets,
                                                             std::chrono::sys_seconds wall,
                                                             TimePoint now) {
  const auto peer = peers_.find(remote.address);
  if (peer == peers_.end()) return Ignored{"its sender is not configured"};
  const ByteView secret = peer->second.view();
  auto request = Packet::decode(octets);
  if (!request) return Ignored{"it is malformed"};
  if (!is_disconnect(*request) && request->code() != Code::coa_request)
    return Ignored{"it is neither Disconnect-Request nor CoA-Request"};
  Key key{remote, request->identifier(), {}};
  std::ranges::copy(request->authenticator(), key.authenticator.begin());
  if (const auto why = distrust(secret, *request, wall); !why.empty()) return Ignored{why};

  forget(now);
  if (const auto found = entries_.find(key); found != entries_.end()) {
    if (found->second.reply.empty()) return Ignored{"it is being carried out"};
    return found->second.reply;
  }
  Command command{.id = {next_id_++}, .remote = remote};
  const ErrorCause cause = examine(*request, command);
  Entry entry{std::move(*request), {}, command.id};
  if (cause != ErrorCause::none) entry.reply = reply(secret, entry.request, cause);
  const Entry& stored = entries_.emplace(key, std::move(entry)).first->second;
  ages_.emplace_back(now, key);
  if (cause != ErrorCause::none) return stored.reply;
  commands_.emplace(command.id, key);
  return command;
}

std::optional<DynamicAuthorization::Reply> DynamicAuthorization::answer(CommandId id,
                                                                        ErrorCause cause) {
  const auto command = commands_.find(id);
  if (command == commands_.end()) return std::nullopt;
  const Key key = command->second;
  commands_.erase(command);
  Entry& entry = entries_.at(key);
  entry.reply = reply(peers_.at(key.remote.address).view(), entry.request, cause);
  return Reply{key.remote, entry.reply};
}

}  // namespace culvert::radius
