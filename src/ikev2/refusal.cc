#include "ikev2/refusal.h"

#include "ikev2/configuration.h"

namespace culvert::ikev2 {
namespace {

using wire::NotifyType;

std::string proposals_text(const std::vector<Proposal>& proposals) {
  std::string text;
  for (const Proposal& proposal : proposals)
    text += (text.empty() ? "" : ", ") + to_string(proposal);
  return text;
}

// Why our own proof may not have convinced it.
std::string_view doubt(AuthKind kind) {
  switch (kind) {
    case AuthKind::pubkey:
      return "it does not trust our certificate; compare identities and CAs";
    case AuthKind::eap:
      return "it does not want EAP from us; compare identities and methods";
    case AuthKind::psk:
    case AuthKind::null:
      break;
  }
  return "the pre-shared keys differ; compare identities and keys";
}

std::string meaning(const IkeSa& sa, NotifyType type, wire::ExchangeType exchange,
                    const ChildConfig* child) {
  switch (type) {
    case NotifyType::no_proposal_chosen:
      if (exchange == wire::ExchangeType::ike_sa_init)
        return "it accepts none of our IKE proposals (" + proposals_text(sa.connection->proposals) +
               "), or knows no connection for our address; compare `ike` on both sides";
      return "it accepts none of our ESP proposals (" +
             (child ? proposals_text(child->proposals) : std::string()) +
             "); compare `esp` on both sides";
    case NotifyType::authentication_failed:
      return "it knows no connection for our identity " + to_string(sa.local_id) +
             " (and its own " + to_string(sa.remote_id) + "), or " +
             std::string(doubt(sa.connection->local.kind));
    case NotifyType::ts_unacceptable:
      if (!child) return "the traffic selectors do not overlap";
      return "it has no tunnel for " + to_string(local_selectors(sa, *child)) +
             " === " + to_string(remote_selectors(sa, *child)) +
             "; our `local` must meet its `remote` and the other way round";
    case NotifyType::invalid_ke_payload:
      return "it wants a key-exchange method that is not in our proposals";
    case NotifyType::no_additional_sas:
      return "it does not accept further CHILD SAs";
    case NotifyType::temporary_failure:
      return "it is busy with another exchange; try again later";
    case NotifyType::single_pair_required:
      return "it wants one CHILD SA per pair of addresses";
    case NotifyType::invalid_syntax:
      return "it finds our message malformed";
    case NotifyType::unsupported_critical_payload:
      return "it does not know a payload that we sent";
    case NotifyType::child_sa_not_found:
      return "it does not have that CHILD SA";
    case NotifyType::failed_cp_required:
      return "it requires that we ask for an address";
    case NotifyType::internal_address_failure:
      return "it has no address to assign";
    default:
      return "see its log";
  }
}

}  // namespace

const wire::Notify* first_error(std::span<const wire::Payload> payloads) {
  for (const wire::Payload& payload : payloads)
    if (const auto* notify = std::get_if<wire::Notify>(&payload.body);
        notify && wire::is_error(notify->type))
      return notify;
  return nullptr;
}

void report_refusal(Host& host, IkeSa& sa, const Inbound& in, const ChildConfig* child) {
  if (const wire::Notify* error = first_error(in.payloads))
    return emit(host, sa,
                trace::PeerRefused{in.header.exchange, error->type,
                                   meaning(sa, error->type, in.header.exchange, child)},
                child);
  emit(host, sa,
       trace::MalformedMessage{in.header.exchange, in.header.message_id, Reason::missing_payload, 0,
                               "neither the payloads of an answer nor an error"},
       child);
}

}  // namespace culvert::ikev2
