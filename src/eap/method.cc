#include "eap/method.h"

namespace culvert::eap {
namespace {

struct Words {
  Failure failure;
  std::string_view what, remedy;
};
constexpr Words kWords[] = {
    {Failure::no_such_user, "there is no such user", "add the user, or correct the name"},
    {Failure::wrong_password, "the password or key is wrong", "correct it on the peer, or here"},
    {Failure::user_disabled, "the user is disabled", "enable the user"},
    {Failure::user_expired, "the user's account has expired", "set a later date"},
    {Failure::unusable_secret, "the method cannot use the form in which the password is stored",
     "store it in another form, or allow EAP-GTC or EAP-TTLS with PAP"},
    {Failure::no_common_method, "there is no common EAP method", "allow one on either side"},
    {Failure::peer_gave_up, "the peer gave up", "look at the peer's own log"},
    {Failure::no_credential, "there is nothing to answer the method with",
     "configure a credential for it"},
    {Failure::server_not_trusted, "the server does not prove that it knows the credential",
     "check the credential; if it is right, the server is not the one it should be"},
    {Failure::refused, "the server refuses", "check the user's name and credential there"},
    {Failure::password_expired, "the password has expired", "change it on the server"},
    {Failure::early_success, "the server announced success before the method had ended",
     "do not trust it; its implementation, or what stands between, is at fault"},
    {Failure::certificate_refused, "the certificate is refused", "check it and its CA"},
    {Failure::protocol_error, "a packet breaks the protocol",
     "the other side's implementation is at fault"},
    {Failure::too_many_rounds, "the method does not come to an end",
     "the other side's implementation is at fault"},
    {Failure::internal, "internal error", "report it"},
};

}  // namespace

std::vector<Type> types_of(const std::vector<Offer>& offers) {
  std::vector<Type> types;
  for (const Offer& offer : offers) types.push_back(offer.type);
  return types;
}

std::string to_text(const Refusal& refusal) {
  for (const Words& words : kWords) {
    if (words.failure != refusal.why) continue;
    std::string text(words.what);
    if (!refusal.detail.empty()) text += " (" + refusal.detail + ")";
    return text + "; " + std::string(words.remedy);
  }
  return refusal.detail;
}

std::string explain(const Refusal& refusal, std::optional<Type> method, std::string_view user) {
  return (method ? to_string(*method) : "EAP") + " of \"" + printable(user) +
         "\": " + to_text(refusal);
}

}  // namespace culvert::eap
