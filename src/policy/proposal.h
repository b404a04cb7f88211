// Proposals: what we offer and accept, their text form, and selection as a pure function that also
// says why it failed. RFC 7296, 2.7 and 3.3.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/provider.h"
#include "crypto/transforms.h"
#include "wire/v2/sa.h"

namespace culvert {

// One encryption transform with its key length in bits (0: the cipher has one size).
struct EncrTransform {
  Encr id = Encr::none;
  std::uint16_t key_bits = 0;
  bool operator==(const EncrTransform&) const = default;
};

// Alternatives per transform type, in order of preference.
struct Proposal {
  wire::ProtocolId protocol = wire::ProtocolId::ike;
  std::vector<EncrTransform> encr;  // empty for AH
  std::vector<Prf> prf;             // IKE only
  std::vector<Integ> integ;         // empty with AEADs
  std::vector<Ke> ke;               // ESP and AH: empty means no PFS
  std::vector<Esn> esn;             // ESP and AH only
  bool operator==(const Proposal&) const = default;
};

// One choice per type: the outcome of a negotiation.
struct Suite {
  CipherSpec cipher;  // encr none for AH
  Prf prf = Prf::none;
  Ke ke = Ke::none;
  Esn esn = Esn::no;
  bool operator==(const Suite&) const = default;
};

// Which protocol a proposal text is for; it decides the transform types that are allowed.
// Text is strongSwan's: "aes128gcm16-prfsha256-x25519", "aes256-sha256-modp2048",
// "aes128-sha256-esn", "chacha20poly1305-prfsha512-curve25519", "default". For IKE, a PRF is
// derived from the integrity algorithms when none is named, as strongSwan does.
struct ParseFailure {
  std::string message;     // "unknown algorithm 'aes127gcm16'"
  std::string suggestion;  // "aes128gcm16", or empty
};
std::expected<Proposal, ParseFailure> parse_proposal(std::string_view text,
                                                     wire::ProtocolId protocol);
// The built-in proposals, strongest first; only algorithms that are not weak.
std::vector<Proposal> default_proposals(wire::ProtocolId protocol);
// Back to text, in a form that parse_proposal accepts: "aes128gcm16-prfsha256-x25519".
std::string to_string(const Proposal& proposal);
std::string to_string(const Suite& suite, wire::ProtocolId protocol);
// Parts in order of preference of which each holds only AEADs or only classic ciphers: RFC
// 7296, 3.3 forbids them in one wire proposal. The AEAD part has no integrity algorithms.
std::vector<Proposal> split_by_mode(const Proposal& proposal);
// strongSwan's upper-case keywords as list-sas shows them ("AES_GCM_16", "PRF_HMAC_SHA2_256",
// "CURVE_25519", "HMAC_SHA2_256_128", "MODP_2048").
std::string vici_name(Encr encr);
std::string vici_name(Integ integ);
std::string vici_name(Prf prf);
std::string vici_name(Ke ke);

// As they go into an SA payload, numbered from 1. AEADs and classic ciphers within one Proposal are
// split into two wire proposals (RFC 7296, 3.3: AEADs must not be offered with integrity).
// `spi` is in network order: empty (IKE_SA_INIT), 8 octets (IKE rekey) or 4 (ESP, AH).
// With `strip_ke`, key-exchange transforms are left out (the CHILD SA of IKE_AUTH: RFC 7296, 1.2).
wire::Sa to_wire(const std::vector<Proposal>& proposals, ByteView spi, bool strip_ke);

// Why nothing matched: the transform type that came closest to agreement, and both sides' lists.
struct ProposalMismatch {
  TransformType type = TransformType::encr;
  std::string offered;   // their proposals' values of that type, in our text form: "aes256, 3des"
  std::string accepted;  // ours
};

struct ProposalChoice {
  Suite suite;
  wire::Proposal accepted;  // what goes back in the SA payload: one transform per type, their SPI
  Bytes peer_spi;
};

struct SelectOptions {
  bool strip_ke = false;    // IKE_AUTH: key-exchange transforms are ignored on both sides
  Ke prefer_ke = Ke::none;  // the responder prefers the method whose KE payload has come
  const Provider* provider = nullptr;  // when set, only algorithms it supports are chosen
};
// As responder: our most preferred proposal that one of theirs can satisfy (RFC 7296, 2.7; every
// type that the peer offers must be chosen from, types with NONE may be absent).
std::expected<ProposalChoice, ProposalMismatch> select_proposal(const std::vector<Proposal>& ours,
                                                                const wire::Sa& theirs,
                                                                const SelectOptions& options);
// Whether one of `proposals` could have led to this IKE suite.
bool accepts(const std::vector<Proposal>& proposals, const Suite& suite);
// As initiator: the response must be exactly one proposal, a subset of one that we offered.
std::expected<ProposalChoice, ProposalMismatch> verify_choice(const std::vector<Proposal>& offered,
                                                              const wire::Sa& answer,
                                                              bool strip_ke);

}  // namespace culvert
