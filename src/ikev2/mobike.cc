// Owns the exchanges of MOBIKE. Invariant: an answer counts only for the addresses that its request
// was about; an address that the peer has not been heard from is sent a few small requests at most.
#include "ikev2/mobike.h"

#include <algorithm>

#include "ikev2/nat_detection.h"
#include "ikev2/path.h"
#include "ikev2/refusal.h"
#include "ikev2/tasks.h"

namespace culvert::ikev2 {
namespace {

using wire::ExchangeType;
using wire::NotifyType;

constexpr std::size_t kCookieSize = 16;
constexpr std::size_t kMinCookie2 = 8, kMaxCookie2 = 64;  // RFC 4555, 4.2.5

// RFC 4555, 4.2.6: source and destination address, source and destination port.
Bytes addresses_and_ports(const Endpoint& source, const Endpoint& destination) {
  Bytes data = to_bytes(source.address.bytes());
  append(data, destination.address.bytes());
  std::uint8_t ports[4];
  store_be(ports, source.port);
  store_be(ports + 2, destination.port);
  append(data, ports);
  return data;
}

// RFC 4555, 3.9: where there is no NAT traversal, nothing may translate.
void add_nat_prohibition(const IkeSa& sa, Payloads& payloads) {
  if (!sa.peer_nat_t)
    payloads.push_back(
        make_notify(NotifyType::no_nats_allowed, addresses_and_ports(sa.local, sa.remote)));
}

void add_addresses(const std::vector<IpAddress>& addresses, Payloads& payloads) {
  for (const IpAddress& address : addresses)
    payloads.push_back(make_notify(
        address.is_v4() ? NotifyType::additional_ip4_address : NotifyType::additional_ip6_address,
        to_bytes(address.bytes())));
}

bool is_unicast(const IpAddress& address) {
  const auto& octets = address.raw();
  if (address.is_unspecified()) return false;
  return address.is_v4() ? octets[0] < 224 && octets[0] != 127 && octets[0] != 0
                         : octets[0] != 0xff && address != IpAddress::any(Family::v6).next();
}

struct Announcement {
  bool any = false;  // there was one; without addresses: NO_ADDITIONAL_ADDRESSES
  std::vector<IpAddress> addresses;
};

Announcement read_addresses(std::span<const wire::Payload> payloads) {
  Announcement result;
  for (const wire::Payload& payload : payloads) {
    const auto* notify = std::get_if<wire::Notify>(&payload.body);
    if (!notify) continue;
    result.any |= notify->type == NotifyType::no_additional_addresses;
    const bool v4 = notify->type == NotifyType::additional_ip4_address;
    if (!v4 && notify->type != NotifyType::additional_ip6_address) continue;
    result.any = true;
    if (notify->data.size() != (v4 ? 4u : 16u)) continue;
    const IpAddress address = IpAddress::from_bytes(notify->data);
    if (is_unicast(address) && result.addresses.size() < limits::kMaxAdditionalAddresses)
      result.addresses.push_back(address);
  }
  return result;
}

// "The set of peer addresses based on the IP header and the notifications" (RFC 4555, 3.6).
void learn_addresses(Mobility& mobility, const IpAddress& source, Announcement&& announced) {
  mobility.peer_addresses = {source};
  std::ranges::move(announced.addresses, std::back_inserter(mobility.peer_addresses));
}

bool has_nat_detection(std::span<const wire::Payload> payloads) {
  return wire::find_notify(payloads, NotifyType::nat_detection_source_ip) &&
         wire::find_notify(payloads, NotifyType::nat_detection_destination_ip);
}

bool allows(const std::vector<AddressPattern>& patterns, const IpAddress& address) {
  return patterns.empty() ||
         std::ranges::any_of(patterns, [&](const auto& one) { return one.matches(address); });
}

// Local policy for RFC 4555, 3.5. Single remote addresses and names tell where to find the peer,
// and it may move away from there; networks are a limit.
std::string_view forbidden_by(const ConnectionConfig& connection, const Datagram& datagram) {
  const auto& remotes = connection.remote_addrs;
  const bool limited = std::ranges::all_of(remotes, [](const AddressPattern& pattern) {
    return pattern.kind == AddressPattern::Kind::range && !pattern.is_single();
  });
  if (limited && !allows(remotes, datagram.remote.address)) return "remote_addrs";
  if (!allows(connection.local_addrs, datagram.local.address)) return "local_addrs";
  return {};
}

// The responder's side of UPDATE_SA_ADDRESSES.
void follow_update(Host& host, IkeSa& sa, const Inbound& in) {
  Mobility& mobility = *sa.mobility;
  const bool was_encapsulated = sa.udp_encap;
  const bool moved = sa.local != in.datagram.local || sa.remote != in.datagram.remote;
  move_ike(host, sa, in.datagram.local, in.datagram.remote, "the peer has asked for it");
  if (has_nat_detection(in.payloads)) {
    apply_nat_detection(host, sa, detect_nat(host, in.header, in.datagram, in.payloads));
    schedule_keepalive(host, sa, in.now);
  }
  if (moved) ++mobility.update;
  if (moved && sa.outstanding) {
    sa.outstanding->attempt = 0;
    sa.outstanding->next_at = in.now;
  }
  // RFC 4555, 3.7: nobody is sent a CHILD SA's traffic who has not shown that he wants it.
  if (sa.remote.address != mobility.verified) return queue_address_task(sa, VerifyAddress{});
  if (moved || was_encapsulated != sa.udp_encap) update_children(host, sa);
}

bool is_listed(const Mobility& mobility, const IpAddress& address) {
  const auto& known = mobility.peer_addresses;
  return std::ranges::find(known, address) != known.end();
}

// Copies COOKIE2 as it is; wrong lengths are not copied, and so fail the check of who sent them.
void return_cookie(const Inbound& in, Payloads& answer) {
  const auto* cookie = wire::find_notify(in.payloads, NotifyType::cookie2);
  if (cookie && cookie->data.size() >= kMinCookie2 && cookie->data.size() <= kMaxCookie2)
    answer.push_back(make_notify(NotifyType::cookie2, cookie->data));
}

// ---- responses to the initiator ----

void retry_or_give_up(Host& host, IkeSa& sa, const AddressRequest& request, NotifyType refusal) {
  const auto* update = std::get_if<UpdateAddresses>(&request.task);
  const std::uint32_t retries = update ? update->retries : 0;
  // RFC 4555, 3.9: whoever can spoil a single packet must not spoil the path.
  if (refusal == NotifyType::unexpected_nat_detected && update &&
      retries < host.options().retransmit.tries)
    return queue_address_task(sa, UpdateAddresses{retries + 1});
  emit(host, sa, trace::AddressesRefused{sa.local, sa.remote, refusal});
  auto& refused = sa.mobility->refused;
  if (!update || refused.size() >= limits::kMaxPathsProbed) return;
  refused.push_back({sa.local.address, sa.remote.address});
  seek_paths(host, sa);
}

const wire::Notify* refusal_in(std::span<const wire::Payload> payloads) {
  for (const NotifyType type :
       {NotifyType::unexpected_nat_detected, NotifyType::unacceptable_addresses})
    if (const auto* notify = wire::find_notify(payloads, type)) return notify;
  return nullptr;
}

void complete_update(Host& host, IkeSa& sa, const Inbound& in) {
  const bool was_encapsulated = sa.udp_encap;
  if (has_nat_detection(in.payloads)) {
    apply_nat_detection(host, sa, detect_nat(host, in.header, in.datagram, in.payloads));
    sa.mobility->seen_as =
        wire::find_notify(in.payloads, NotifyType::nat_detection_destination_ip)->data;
    schedule_keepalive(host, sa, in.now);
  }
  if (sa.mobility->verified != sa.remote.address || was_encapsulated != sa.udp_encap)
    update_children(host, sa);
}

}  // namespace

void add_mobike_support(Host& host, const IkeSa& sa, Payloads& payloads) {
  if (!sa.connection->mobike) return;
  payloads.push_back(make_notify(NotifyType::mobike_supported));
  add_addresses(additional_addresses(host, sa), payloads);
  if (sa.first_initiator) add_nat_prohibition(sa, payloads);
}

void accept_mobike(Host& host, IkeSa& sa, std::span<const wire::Payload> payloads) {
  if (!sa.connection->mobike || !wire::find_notify(payloads, NotifyType::mobike_supported)) return;
  sa.mobility = std::make_unique<Mobility>();
  sa.mobility->verified = sa.remote.address;
  sa.mobility->best = {sa.local.address, sa.remote.address};
  sa.mobility->announced = additional_addresses(host, sa);
  learn_addresses(*sa.mobility, sa.remote.address, read_addresses(payloads));
}

bool nats_are_allowed(Host& host, IkeSa& sa, const Inbound& in) {
  const auto* forbidden = wire::find_notify(in.payloads, NotifyType::no_nats_allowed);
  if (!forbidden ||
      equal(forbidden->data, addresses_and_ports(in.datagram.remote, in.datagram.local)))
    return true;
  emit(host, sa, trace::UnexpectedNat{in.datagram.local, in.datagram.remote});
  return false;
}

void queue_address_task(IkeSa& sa, Task&& task) {
  auto& queue = sa.in<Established>()->queue;
  const bool waits =
      std::ranges::any_of(queue, [&](const Task& other) { return other.index() == task.index(); });
  if (!waits) queue.push_front(std::move(task));
}

void send_address_task(Host& host, IkeSa& sa, const Task& task, TimePoint now) {
  if (!sa.mobility || sa.rekeyed) return;
  AddressRequest request{task, sa.mobility->update, Bytes(kCookieSize)};
  host.provider().random(request.cookie);
  Payloads payloads;
  const bool update = std::holds_alternative<UpdateAddresses>(task);
  if (update) {
    payloads.push_back(make_notify(NotifyType::update_sa_addresses));
    if (sa.peer_nat_t) add_nat_detection(host, sa, sa.local, sa.remote, payloads);
  }
  if (!std::holds_alternative<VerifyAddress>(task)) {
    sa.mobility->announced = additional_addresses(host, sa);
    add_addresses(sa.mobility->announced, payloads);
    if (sa.mobility->announced.empty())
      payloads.push_back(make_notify(NotifyType::no_additional_addresses));
    add_nat_prohibition(sa, payloads);
  }
  payloads.push_back(make_notify(NotifyType::cookie2, request.cookie));
  sa.in<Established>()->in_flight = std::move(request);
  send_request(host, sa, ExchangeType::informational, payloads, now);
}

void answer_mobike(Host& host, IkeSa& sa, const Inbound& in, Payloads& answer) {
  return_cookie(in, answer);
  if (!sa.mobility) return;
  const bool update = wire::find_notify(in.payloads, NotifyType::update_sa_addresses) != nullptr;
  Announcement announced = read_addresses(in.payloads);
  if ((update || announced.any) && !nats_are_allowed(host, sa, in))
    return answer.push_back(make_notify(NotifyType::unexpected_nat_detected));
  // What is left of a rekeyed SA decides nothing any more.
  if (update && !sa.first_initiator && !sa.rekeyed) {
    if (const auto setting = forbidden_by(*sa.connection, in.datagram); !setting.empty()) {
      emit(host, sa, trace::AddressesNotAllowed{in.datagram.local, in.datagram.remote, setting});
      return answer.push_back(make_notify(NotifyType::unacceptable_addresses));
    }
    follow_update(host, sa, in);
  }
  if (has_nat_detection(in.payloads))
    add_nat_detection(host, sa, in.datagram.local, in.datagram.remote, answer);
  if (!announced.any) return;
  learn_addresses(*sa.mobility, in.datagram.remote.address, std::move(announced));
  sa.mobility->refused.clear();
  if (sa.first_initiator && !is_listed(*sa.mobility, sa.remote.address)) seek_paths(host, sa);
}

void handle_address_response(Host& host, IkeSa& sa, const AddressRequest& request,
                             const Inbound& in) {
  const bool current = request.update == sa.mobility->update;
  if (const auto* refusal = refusal_in(in.payloads); refusal && current)
    return retry_or_give_up(host, sa, request, refusal->type);
  if (first_error(in.payloads)) return report_refusal(host, sa, in);
  const auto* cookie = wire::find_notify(in.payloads, NotifyType::cookie2);
  if (!cookie || !equal(cookie->data, request.cookie)) {
    emit(host, sa, trace::NotRoutable{sa.remote});
    return close(sa, "failure");
  }
  const bool verifying = std::holds_alternative<VerifyAddress>(request.task);
  // RFC 4555, 3.5 and 3.7: it went to several addresses; another one follows, or must.
  if (!current) {
    if (verifying) queue_address_task(sa, VerifyAddress{});
  } else if (std::holds_alternative<UpdateAddresses>(request.task)) {
    complete_update(host, sa, in);
  } else if (!sa.first_initiator && sa.mobility->verified != sa.remote.address) {
    update_children(host, sa);
  }
}

void add_mapping_check(Host& host, const IkeSa& sa, Payloads& payloads) {
  if (sa.mobility && sa.first_initiator && sa.peer_nat_t && sa.nat_local)
    add_nat_detection(host, sa, sa.local, sa.remote, payloads);
}

void check_mapping(IkeSa& sa, const Inbound& in) {
  if (!sa.mobility || !sa.first_initiator || !sa.nat_local) return;
  const auto* seen = wire::find_notify(in.payloads, NotifyType::nat_detection_destination_ip);
  if (!seen || equal(seen->data, sa.mobility->seen_as)) return;
  ++sa.mobility->update;
  queue_address_task(sa, UpdateAddresses{});
}

void inherit_mobility(Host& host, const IkeSa& old, IkeSa& successor) {
  if (!old.mobility || !successor.mobility) return;
  if (old.mobility->update > successor.mobility->update) {
    successor.local = old.local;
    successor.remote = old.remote;
    successor.nat_local = old.nat_local;
    successor.nat_remote = old.nat_remote;
    successor.udp_encap = old.udp_encap;
    *successor.mobility = *old.mobility;
    successor.mobility->seen_as.clear();  // it covers the SPIs
    successor.mobility->asking = false;
  }
  const auto& in_flight = old.in<Established>()->in_flight;
  if (const auto* request = std::get_if<AddressRequest>(&in_flight))
    queue_address_task(successor, Task(request->task));
  if (old.mobility->asking) seek_paths(host, successor);
}

}  // namespace culvert::ikev2
