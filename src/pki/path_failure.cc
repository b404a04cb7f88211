// Says in words why a path is none.
#include <fmt/format.h>

#include "pki/path.h"

namespace culvert::pki {
namespace {

struct Words {
  PathProblem problem;
  std::string_view name;
  std::string_view sentence;  // {0}: the certificate's subject, {1}: the detail
};
constexpr Words kWords[] = {
    {PathProblem::untrusted, "untrusted",
     "certificate \"{0}\" was issued by \"{1}\", which is no trusted CA and was not sent along: "
     "add "
     "that CA's certificate here, or send the intermediate certificates there"},
    {PathProblem::self_signed, "self_signed",
     "certificate \"{0}\" is signed by itself and not trusted: add it to the trusted CAs if it is "
     "meant to be one"},
    {PathProblem::expired, "expired",
     "certificate \"{0}\" expired on {1}: renew it, or set the clock if that is wrong"},
    {PathProblem::not_yet_valid, "not_yet_valid",
     "certificate \"{0}\" is not valid before {1}: set the clock, here or where it was issued"},
    {PathProblem::bad_signature, "bad_signature",
     "certificate \"{0}\" bears a signature that is not of \"{1}\": it was altered, or that CA has "
     "another key now and its certificate here is the old one"},
    {PathProblem::unsupported_signature, "unsupported_signature",
     "certificate \"{0}\" is signed with an algorithm that is not supported: issue it anew with "
     "RSA, ECDSA or EdDSA, and SHA-2"},
    {PathProblem::unsupported_key, "unsupported_key",
     "certificate \"{0}\" has a key of a kind or size that is not supported: issue it for an RSA, "
     "ECDSA or EdDSA key"},
    {PathProblem::weak_key, "weak_key",
     "certificate \"{0}\" has an RSA key of only {1}: issue it for one of 2048 or more"},
    {PathProblem::weak_hash, "weak_hash",
     "certificate \"{0}\" is signed with {1}, which can be forged: issue it anew with SHA-256"},
    {PathProblem::not_a_ca, "not_a_ca",
     "certificate \"{0}\" has issued another one but is no CA's: issue it with CA:TRUE in "
     "basicConstraints if it is meant to be"},
    {PathProblem::path_too_long, "path_too_long",
     "CA \"{0}\" allows only {1} CAs below it, and the path has more: issue the certificate from a "
     "CA further up, or that CA's with a larger pathLenConstraint"},
    {PathProblem::chain_too_long, "chain_too_long",
     "the way from certificate \"{0}\" to a trusted CA has more certificates than are looked at: "
     "trust a CA that is closer to it"},
    {PathProblem::wrong_extended_key_usage, "wrong_extended_key_usage",
     "certificate \"{0}\" is issued for other purposes (extendedKeyUsage): issue it with "
     "serverAuth "
     "or clientAuth"},
    {PathProblem::wrong_key_usage, "wrong_key_usage",
     "certificate \"{0}\" must not be used so (keyUsage): issue it with {1}"},
    {PathProblem::name_constraint, "name_constraint",
     "certificate \"{0}\" breaks a name constraint: {1}"},
    {PathProblem::policy, "policy", "certificate \"{0}\" has no acceptable policy: {1}"},
    {PathProblem::unknown_critical_extension, "unknown_critical_extension",
     "certificate \"{0}\" has the critical extension {1}, which is not supported: issue it without "
     "that, or not as critical"},
    {PathProblem::revoked, "revoked",
     "certificate \"{0}\" was revoked on {1}: issue a new one, or remove this peer"},
    {PathProblem::revocation_unknown, "revocation_unknown",
     "nothing says whether certificate \"{0}\" is revoked: {1}; provide a current CRL, make its "
     "CRL or OCSP address reachable, or relax `revocation`"},
};
const Words& words_of(PathProblem problem) { return kWords[static_cast<std::size_t>(problem)]; }

constexpr bool in_order() {
  for (std::size_t i = 0; i < std::size(kWords); ++i)
    if (kWords[i].problem != static_cast<PathProblem>(i)) return false;
  return true;
}
static_assert(in_order());

}  // namespace

std::string_view name_of(PathProblem problem) { return words_of(problem).name; }

std::string to_sentence(const PathFailure& failure) {
  return fmt::format(fmt::runtime(words_of(failure.problem).sentence),
                     name_text(failure.certificate->subject), failure.detail);
}

}  // namespace culvert::pki
