// Events about who is there: IKE_AUTH, certificates, EAP.
#pragma once

#include <string>

#include "trace/info.h"

namespace culvert::trace {

// ---- IKE_AUTH ----

struct IkeEstablished {
  static constexpr Info kInfo{"ike_established", Level::info, Group::ike,
                              "established between {local_id} and {remote_id}, {suite}"};
  std::string local_id, remote_id, suite;
  CULVERT_FIELDS(CULVERT_FIELD(local_id), CULVERT_FIELD(remote_id), CULVERT_FIELD(suite))
};
struct NoConnectionForIdentity {
  static constexpr Info kInfo{
      "no_connection_for_identity", Level::error, Group::cfg,
      "{explanation}. Make `remote_id` here and the peer's own identity the "
      "same",
      true};
  std::string explanation;
  CULVERT_FIELDS(CULVERT_FIELD(explanation))
};
struct NoSecret {
  static constexpr Info kInfo{
      "no_secret", Level::error, Group::cfg,
      "no pre-shared key for {local_id} and {remote_id}; load one with these "
      "identities as its owners",
      true};
  std::string local_id, remote_id;
  CULVERT_FIELDS(CULVERT_FIELD(local_id), CULVERT_FIELD(remote_id))
};
struct WrongSecret {
  static constexpr Info kInfo{"wrong_secret", Level::error, Group::ike,
                              "{remote_id} does not prove its pre-shared key: the keys of the two "
                              "sides differ. Compare them (a trailing newline counts)",
                              true};
  std::string remote_id;
  CULVERT_FIELDS(CULVERT_FIELD(remote_id))
};
struct WrongAuthMethod {
  static constexpr Info kInfo{"wrong_auth_method", Level::error, Group::ike,
                              "{remote_id} authenticates by {offered}, accepted here: {accepted}",
                              true};
  std::string remote_id;
  std::string offered, accepted;
  CULVERT_FIELDS(CULVERT_FIELD(remote_id), CULVERT_FIELD(offered), CULVERT_FIELD(accepted))
};
struct NoOwnCertificate {
  static constexpr Info kInfo{"no_own_certificate", Level::error, Group::cfg,
                              "no certificate of ours for {local_id} has its private key loaded; "
                              "name one by `cert` and `key`",
                              true};
  std::string local_id;
  CULVERT_FIELDS(CULVERT_FIELD(local_id))
};
struct NoCommonSignature {
  static constexpr Info kInfo{"no_common_signature", Level::error, Group::ike,
                              "the peer verifies no signatures that our {key} key makes; use a key "
                              "of another kind",
                              true};
  std::string key;
  CULVERT_FIELDS(CULVERT_FIELD(key))
};
struct SigningFailed {
  static constexpr Info kInfo{"signing_failed", Level::error, Group::ike,
                              "our AUTH could not be signed: {error}", true};
  std::string error;
  CULVERT_FIELDS(CULVERT_FIELD(error))
};
struct NoPeerCertificate {
  static constexpr Info kInfo{"no_peer_certificate", Level::error, Group::ike,
                              "{remote_id} has sent no certificate, and none of it is loaded; let "
                              "it send one, or name it here",
                              true};
  std::string remote_id;
  CULVERT_FIELDS(CULVERT_FIELD(remote_id))
};
struct IdentityNotInCertificate {
  static constexpr Info kInfo{"identity_not_in_certificate", Level::error, Group::ike,
                              "the certificate of the peer does not say that it is {remote_id}, "
                              "only {proven}. Make its identity one of these, or issue it another",
                              true};
  std::string remote_id, proven;
  CULVERT_FIELDS(CULVERT_FIELD(remote_id), CULVERT_FIELD(proven))
};
struct CertificateRefused {
  static constexpr Info kInfo{"certificate_refused", Level::error, Group::ike,
                              "{remote_id} is not believed: {why}", true};
  std::string remote_id, why;  // pki::to_sentence()
  CULVERT_FIELDS(CULVERT_FIELD(remote_id), CULVERT_FIELD(why))
};
struct RevocationNotTold {
  static constexpr Info kInfo{"revocation_not_told", Level::warning, Group::ike,
                              "asking whether the certificate of {remote_id} was revoked did not "
                              "go well: {why}"};
  std::string remote_id, why;
  CULVERT_FIELDS(CULVERT_FIELD(remote_id), CULVERT_FIELD(why))
};
struct OtherCertificateWanted {
  static constexpr Info kInfo{"other_certificate_wanted", Level::error, Group::ike,
                              "the peer's certificate, {subject}, is not one of those that the "
                              "connection names",
                              true};
  std::string subject;
  CULVERT_FIELDS(CULVERT_FIELD(subject))
};
struct OtherCaWanted {
  static constexpr Info kInfo{"other_ca_wanted", Level::error, Group::ike,
                              "{ca} vouches for {remote_id}, and the connection takes another CA",
                              true};
  std::string remote_id, ca;
  CULVERT_FIELDS(CULVERT_FIELD(remote_id), CULVERT_FIELD(ca))
};
struct BadSignature {
  static constexpr Info kInfo{"bad_signature", Level::error, Group::ike,
                              "the signature of {remote_id} is not accepted: {why}", true};
  std::string remote_id, why;
  CULVERT_FIELDS(CULVERT_FIELD(remote_id), CULVERT_FIELD(why))
};
struct WrongEapKey {
  static constexpr Info kInfo{"wrong_eap_key", Level::error, Group::ike,
                              "EAP with {remote_id} went well, but its AUTH does not fit the key "
                              "that came of it: somebody is between the two, or one is at fault",
                              true};
  std::string remote_id;
  CULVERT_FIELDS(CULVERT_FIELD(remote_id))
};
struct NoEapCredential {  // as initiator
  static constexpr Info kInfo{"no_eap_credential", Level::error, Group::cfg,
                              "no EAP secret for '{user}' is loaded; load one, or set `eap_id` to "
                              "a user that has one",
                              true};
  std::string user;
  CULVERT_FIELDS(CULVERT_FIELD(user))
};
struct NoSimCard {  // as initiator
  static constexpr Info kInfo{"no_sim_card", Level::error, Group::cfg,
                              "no SIM of '{user}' is here; add [sim.IMSI] with its keys", true};
  std::string user;
  CULVERT_FIELDS(CULVERT_FIELD(user))
};
struct EapNotSafeAlone {  // as initiator
  static constexpr Info kInfo{"eap_not_safe_alone", Level::error, Group::ike,
                              "the responder has not proven who it is, and {method} does not do it "
                              "(RFC 5998); use a certificate or a pre-shared key for it",
                              true};
  std::string method;
  CULVERT_FIELDS(CULVERT_FIELD(method))
};
struct UnexpectedIdentity {  // as initiator: IDr is not what we asked for
  static constexpr Info kInfo{
      "unexpected_identity", Level::error, Group::ike,
      "the peer says it is {remote_id}, the configuration wants {expected}. "
      "Set `remote_id` to what the peer uses, or correct the peer",
      true};
  std::string remote_id, expected;
  CULVERT_FIELDS(CULVERT_FIELD(remote_id), CULVERT_FIELD(expected))
};

struct SecondSaRefused {
  static constexpr Info kInfo{
      "second_sa_refused", Level::error, Group::cfg,
      "{remote_id} has an IKE SA already and the connection has `unique` = keep: the new one is "
      "refused. Terminate the old one, or set `unique` to replace",
      true};
  std::string remote_id;
  CULVERT_FIELDS(CULVERT_FIELD(remote_id))
};
struct InitiatedByBoth {
  static constexpr Info kInfo{"initiated_by_both", Level::info, Group::ike,
                              "both sides initiated at once; {kept} is kept, {ended} ends"};
  std::string kept, ended;
  CULVERT_FIELDS(CULVERT_FIELD(kept), CULVERT_FIELD(ended))
};

// ---- EAP ----

struct EapSucceeded {
  static constexpr Info kInfo{"eap_succeeded", Level::info, Group::ike,
                              "{method} authenticated {user}"};
  std::string method, user;
  CULVERT_FIELDS(CULVERT_FIELD(method), CULVERT_FIELD(user))
};
struct EapAttemptRefused {
  static constexpr Info kInfo{"eap_attempt_refused", Level::warning, Group::ike,
                              "{explanation}. Another attempt is allowed"};
  std::string explanation;  // eap::explain()
  CULVERT_FIELDS(CULVERT_FIELD(explanation))
};
struct EapFailed {
  static constexpr Info kInfo{"eap_failed", Level::error, Group::ike, "{explanation}", true};
  std::string explanation;  // eap::explain()
  CULVERT_FIELDS(CULVERT_FIELD(explanation))
};

}  // namespace culvert::trace
