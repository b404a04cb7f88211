#include "ikev2/transitions.h"

#include <algorithm>

#include "ikev2/create_child_sa.h"
#include "ikev2/eap_auth.h"
#include "ikev2/ike_auth.h"
#include "ikev2/ike_sa_init.h"
#include "ikev2/informational.h"
#include "ikev2/refusal.h"

namespace culvert::ikev2 {
namespace {

using wire::ExchangeType;
using wire::PayloadType;

constexpr std::uint8_t kMany = 255;

constexpr PayloadRule kInitRequest[] = {
    {PayloadType::sa, 1, 1}, {PayloadType::ke, 1, 1}, {PayloadType::nonce, 1, 1}};
// COOKIE and INVALID_KE_PAYLOAD come alone.
constexpr PayloadRule kInitResponse[] = {{PayloadType::sa, 0, 1},
                                         {PayloadType::ke, 0, 1},
                                         {PayloadType::nonce, 0, 1},
                                         {PayloadType::certreq, 0, kMany}};
constexpr PayloadRule kAuthRequest[] = {
    {PayloadType::id_i, 1, 1},        {PayloadType::id_r, 0, 1}, {PayloadType::auth, 0, 1},
    {PayloadType::cert, 0, kMany},    {PayloadType::cp, 0, 1},   {PayloadType::sa, 0, 1},
    {PayloadType::certreq, 0, kMany}, {PayloadType::ts_i, 0, 1}, {PayloadType::ts_r, 0, 1}};
constexpr PayloadRule kAuthResponse[] = {{PayloadType::id_r, 1, 1},     {PayloadType::auth, 0, 1},
                                         {PayloadType::cert, 0, kMany}, {PayloadType::eap, 0, 1},
                                         {PayloadType::cp, 0, 1},       {PayloadType::sa, 0, 1},
                                         {PayloadType::ts_i, 0, 1},     {PayloadType::ts_r, 0, 1}};
constexpr PayloadRule kEapRequest[] = {{PayloadType::eap, 0, 1}, {PayloadType::auth, 0, 1}};
constexpr PayloadRule kEapResponse[] = {{PayloadType::eap, 0, 1},  {PayloadType::auth, 0, 1},
                                        {PayloadType::cp, 0, 1},   {PayloadType::sa, 0, 1},
                                        {PayloadType::ts_i, 0, 1}, {PayloadType::ts_r, 0, 1}};
constexpr PayloadRule kChildRequest[] = {{PayloadType::sa, 1, 1},
                                         {PayloadType::nonce, 1, 1},
                                         {PayloadType::ke, 0, 1},
                                         {PayloadType::ts_i, 0, 1},
                                         {PayloadType::ts_r, 0, 1}};
constexpr PayloadRule kInformational[] = {{PayloadType::delete_, 0, kMany}};

void begin(Host& host, IkeSa& sa, const Inbound& in) {
  if (!respond_to_ike_sa_init(host, sa, in)) close(sa, "refused");
}

constexpr Transition kTransitions[] = {
    {StateTag::absent, ExchangeType::ike_sa_init, false, kInitRequest, begin,
     "a peer wants to talk: agree on keys", "1.2"},
    {StateTag::init_sent, ExchangeType::ike_sa_init, true, kInitResponse,
     handle_ike_sa_init_response, "keys agreed: prove who we are", "1.2"},
    {StateTag::half_open, ExchangeType::ike_auth, false, kAuthRequest, handle_ike_auth_request,
     "the peer proves who it is: prove ourselves, make the first CHILD SA", "1.2"},
    {StateTag::auth_sent, ExchangeType::ike_auth, true, kAuthResponse, handle_ike_auth_response,
     "the peer proves who it is: established", "1.2"},
    {StateTag::eap_asked, ExchangeType::ike_auth, false, kEapRequest, handle_eap_request,
     "the peer answers by EAP, or with AUTH at its end", "2.16"},
    {StateTag::eap_asked, ExchangeType::informational, false, kInformational, handle_eap_abort,
     "the peer gives up", "2.21.2"},
    {StateTag::eap_sent, ExchangeType::ike_auth, true, kEapResponse, handle_eap_response,
     "the peer asks by EAP, or proves itself at its end", "2.16"},
    {StateTag::established, ExchangeType::create_child_sa, false, kChildRequest,
     handle_create_child_sa_request, "the peer wants a further CHILD SA", "1.3.1"},
    {StateTag::established, ExchangeType::create_child_sa, true, kChildRequest,
     handle_create_child_sa_response, "our further CHILD SA is granted or refused", "1.3.1"},
    {StateTag::established, ExchangeType::informational, false, kInformational,
     handle_informational_request, "the peer deletes something, or asks whether we live", "1.4"},
    {StateTag::established, ExchangeType::informational, true, kInformational,
     handle_informational_response, "our delete or liveness check is acknowledged", "1.4"},
};

}  // namespace

StateTag tag_of(const IkeSa& sa) { return static_cast<StateTag>(sa.state.index() + 1); }

std::span<const Transition> transitions() { return kTransitions; }

const Transition* find_transition(StateTag state, ExchangeType exchange, bool response) {
  for (const Transition& row : kTransitions)
    if (row.state == state && row.exchange == exchange && row.response == response) return &row;
  return nullptr;
}

std::expected<void, Error> check_payloads(const Transition& row,
                                          std::span<const wire::Payload> payloads) {
  const bool refused = row.response && first_error(payloads) != nullptr;
  for (const PayloadRule& rule : row.rules) {
    const auto count = std::ranges::count(payloads, rule.type, &wire::Payload::type);
    const auto syntax = static_cast<std::uint16_t>(wire::NotifyType::invalid_syntax);
    if (count < rule.least && !refused)
      return fail(Fault::peer_misbehaved, Reason::missing_payload, syntax);
    if (count > rule.most && rule.most != kMany)
      return fail(Fault::peer_misbehaved, Reason::unexpected_payload, syntax);
  }
  return {};
}

}  // namespace culvert::ikev2
