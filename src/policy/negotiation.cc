// Owns the negotiation of SA payloads: what we offer, the choice, and why there was none.
// Invariant: what is accepted has one transform of each type that the peer offered, as it offered
// it.
#include <fmt/format.h>

#include <algorithm>

#include "base/limits.h"
#include "policy/proposal.h"
#include "policy/proposal_keywords.h"

namespace culvert {
namespace {

using wire::ProtocolId;

template <class Enum>
constexpr std::uint16_t number(Enum value) {
  return static_cast<std::uint16_t>(value);
}

template <class Enum>
void add_transforms(wire::Proposal& to, TransformType type, const std::vector<Enum>& values) {
  for (const Enum value : values) to.transforms.push_back({type, number(value)});
}

wire::Proposal to_wire(const Proposal& part, std::size_t index, ByteView spi, bool strip_ke) {
  wire::Proposal wire{
      .number = static_cast<std::uint8_t>(index), .protocol = part.protocol, .spi = to_bytes(spi)};
  for (const auto& encr : part.encr)
    wire.transforms.push_back({TransformType::encr, number(encr.id), encr.key_bits});
  add_transforms(wire, TransformType::prf, part.prf);
  add_transforms(wire, TransformType::integ, part.integ);
  // RFC 7296, 3.3.6: NONE alone is the same as leaving the type out.
  if (!strip_ke && part.ke != std::vector{Ke::none})
    add_transforms(wire, TransformType::ke, part.ke);
  add_transforms(wire, TransformType::esn, part.esn);
  // RFC 7296, 3.3.3: mandatory for ESP and AH.
  if (part.protocol != ProtocolId::ike && part.esn.empty())
    add_transforms(wire, TransformType::esn, std::vector{Esn::no});
  return wire;
}

std::vector<Proposal> split(const std::vector<Proposal>& proposals) {
  std::vector<Proposal> parts;
  for (const auto& proposal : proposals)
    for (auto& part : split_by_mode(proposal)) parts.push_back(std::move(part));
  return parts;
}

// One of our parts against one of their proposals. Each pick_* looks for the transform of its type,
// adds it to `accepted` and sets `suite`; false is a disagreement.
class Pairing {
 public:
  Pairing(const Proposal& ours, const wire::Proposal& theirs, const SelectOptions& options)
      : ours_(ours), theirs_(theirs), options_(options) {
    accepted.number = theirs.number;
    accepted.protocol = theirs.protocol;
    accepted.spi = theirs.spi;
    note(TransformType::encr, pick_cipher());
    if (ours.protocol == ProtocolId::ike) note(TransformType::prf, pick_prf());
    note(TransformType::integ, integ_agreed_);
    if (!options.strip_ke) note(TransformType::ke, pick_ke());
    if (ours.protocol != ProtocolId::ike) note(TransformType::esn, pick_esn());
    pick_foreign();
    std::ranges::sort(accepted.transforms, {}, &wire::Transform::type);
  }

  bool complete() const { return !failed_; }
  int agreed() const { return agreed_; }
  TransformType failed_type() const { return *failed_; }

  Suite suite;
  wire::Proposal accepted;

 private:
  void note(TransformType type, bool agreed) {
    if (agreed)
      ++agreed_;
    else if (!failed_)
      failed_ = type;
  }
  bool offers(TransformType type) const {
    return std::ranges::find(theirs_.transforms, type, &wire::Transform::type) !=
           theirs_.transforms.end();
  }
  // Takes over their transform of this number. RFC 7296, 3.3.6: unknown attributes rule it out.
  const wire::Transform* find(TransformType type, std::uint16_t id) const {
    for (const auto& transform : theirs_.transforms)
      if (transform.type == type && transform.id == id && transform.others.empty() &&
          transform.key_bits == 0)
        return &transform;
    return nullptr;
  }
  bool accept(const wire::Transform* transform) {
    if (transform) accepted.transforms.push_back(*transform);
    return transform != nullptr;
  }
  // NONE may be said or left out.
  bool accept_none(TransformType type) { return !offers(type) || accept(find(type, 0)); }
  const wire::Transform* find_encr(const EncrTransform& wanted) const {
    for (const auto& transform : theirs_.transforms) {
      if (transform.type != TransformType::encr || transform.id != number(wanted.id)) continue;
      if (!transform.others.empty()) continue;
      if (transform.key_bits == wanted.key_bits) return &transform;
      // Some peers state the key length of a cipher that has only one.
      const Integ any = is_aead(wanted.id) ? Integ::none : Integ::hmac_sha2_256_128;
      if (wanted.key_bits == 0 && sizes_of({wanted.id, transform.key_bits, any})) return &transform;
    }
    return nullptr;
  }
  bool supported(const CipherSpec& spec) const {
    return !options_.provider || options_.provider->supports(spec);
  }

  bool pick_cipher() {
    if (ours_.protocol == ProtocolId::ah) {
      integ_agreed_ = pick_integ();
      return accept_none(TransformType::encr);
    }
    const wire::Transform* encr = nullptr;
    for (const auto& wanted : ours_.encr) {
      const wire::Transform* found = find_encr(wanted);
      if (!found || (is_aead(wanted.id) && !supported({wanted.id, wanted.key_bits}))) continue;
      suite.cipher.encr = wanted.id;
      suite.cipher.key_bits = wanted.key_bits;
      // RFC 7296, 3.3.3: beside an AEAD stands no integrity algorithm, or NONE.
      if (is_aead(wanted.id) ? accept_none(TransformType::integ) : pick_integ()) {
        integ_agreed_ = true;
        return accept(found);
      }
      if (!encr) encr = found;
    }
    if (!encr) integ_agreed_ = integ_in_common();
    return encr != nullptr;
  }
  bool pick_integ() {
    for (const Integ wanted : ours_.integ) {
      const auto* found = find(TransformType::integ, number(wanted));
      const CipherSpec spec{suite.cipher.encr, suite.cipher.key_bits, wanted};
      if (!found || !supported(spec)) continue;
      suite.cipher.integ = wanted;
      return accept(found);
    }
    return false;
  }
  bool integ_in_common() const {
    if (ours_.integ.empty()) return !offers(TransformType::integ);
    return std::ranges::any_of(ours_.integ, [this](Integ integ) {
      return find(TransformType::integ, number(integ)) != nullptr;
    });
  }
  bool pick_prf() {
    for (const Prf wanted : ours_.prf) {
      if (options_.provider && !options_.provider->supports(wanted)) continue;
      if (!accept(find(TransformType::prf, number(wanted)))) continue;
      suite.prf = wanted;
      return true;
    }
    return false;
  }
  bool try_ke(Ke wanted) {
    if (wanted == Ke::none) return accept_none(TransformType::ke);
    if (options_.provider && !options_.provider->supports(wanted)) return false;
    suite.ke = wanted;
    return accept(find(TransformType::ke, number(wanted)));
  }
  bool pick_ke() {
    if (ours_.ke.empty()) return try_ke(Ke::none);
    const auto preferred = std::ranges::find(ours_.ke, options_.prefer_ke);
    if (options_.prefer_ke != Ke::none && preferred != ours_.ke.end() && try_ke(*preferred))
      return true;
    for (const Ke wanted : ours_.ke) {
      suite.ke = Ke::none;
      if (try_ke(wanted)) return true;
    }
    return false;
  }
  bool pick_esn() {
    const std::vector<Esn> ours = ours_.esn.empty() ? std::vector{Esn::no} : ours_.esn;
    const bool offered = offers(TransformType::esn);
    for (const Esn wanted : ours) {
      suite.esn = wanted;
      // RFC 7296, 3.3.3 wants the type in each ESP and AH proposal; peers that leave it out mean
      // no.
      if (!offered && wanted == Esn::no) return true;
      if (accept(find(TransformType::esn, number(wanted)))) return true;
    }
    return false;
  }
  // RFC 7296, 3.3.6: a type we don't know makes the proposal unacceptable, unless it offers NONE
  // in a type that has one (RFC 9370, 2.2.1).
  void pick_foreign() {
    for (const auto& transform : theirs_.transforms) {
      const TransformType type = transform.type;
      const bool additional = type >= TransformType::addke1 && type <= TransformType::addke7;
      const bool known =
          type == TransformType::encr || type == TransformType::integ ||
          type == TransformType::ke ||
          type == (ours_.protocol == ProtocolId::ike ? TransformType::prf : TransformType::esn);
      if (known) continue;
      if (std::ranges::find(accepted.transforms, type, &wire::Transform::type) !=
          accepted.transforms.end())
        continue;
      if (additional && accept(find(type, 0))) continue;
      note(type, false);
      return;
    }
  }

  const Proposal& ours_;
  const wire::Proposal& theirs_;
  const SelectOptions& options_;
  bool integ_agreed_ = false;
  int agreed_ = 0;
  std::optional<TransformType> failed_;
};

// A peer may offer thousands of numbers; an explanation names the first few.
constexpr std::size_t kMaxWords = 24;

void add_word(std::vector<std::string>& words, std::string word) {
  if (words.size() < kMaxWords && std::ranges::find(words, word) == words.end())
    words.push_back(std::move(word));
}

template <class Enum>
void add_words(std::vector<std::string>& words, TransformType type,
               const std::vector<Enum>& values) {
  for (const Enum value : values) add_word(words, proposal_keyword(type, number(value)));
}

void add_ours(std::vector<std::string>& words, TransformType type, const Proposal& ours) {
  switch (type) {
    case TransformType::encr:
      for (const auto& encr : ours.encr)
        add_word(words, proposal_keyword(type, number(encr.id), encr.key_bits));
      return;
    case TransformType::prf:
      return add_words(words, type, ours.prf);
    case TransformType::integ:
      return add_words(words, type, ours.integ);
    case TransformType::ke:
      return add_words(words, type, ours.ke);
    case TransformType::esn:
      return add_words(words, type, ours.esn);
    default:
      return;
  }
}

void add_theirs(std::vector<std::string>& words, TransformType type, const wire::Proposal& theirs) {
  for (const auto& transform : theirs.transforms) {
    if (words.size() == kMaxWords) return;
    if (transform.type != type) continue;
    std::string word = type == TransformType::integ && transform.id == 0
                           ? std::string("none")
                           : proposal_keyword(type, transform.id, transform.key_bits);
    if (!transform.others.empty()) word += " (with unknown attributes)";
    add_word(words, std::move(word));
  }
}

std::string join(const std::vector<std::string>& words) {
  if (words.empty()) return "none";
  return fmt::format("{}{}", fmt::join(words, ", "), words.size() == kMaxWords ? ", …" : "");
}

// Gathers the pairs that came closest: most types agreed, and equal in the type that failed.
class ClosestPairs {
 public:
  void note(const Pairing& pairing, const Proposal& ours, const wire::Proposal& theirs) {
    if (pairing.agreed() < best_) return;
    if (pairing.agreed() > best_) {
      best_ = pairing.agreed();
      type_ = pairing.failed_type();
      offered_.clear();
      accepted_.clear();
    }
    if (pairing.failed_type() != type_) return;
    add_theirs(offered_, type_, theirs);
    add_ours(accepted_, type_, ours);
  }
  bool any() const { return best_ >= 0; }
  ProposalMismatch mismatch() const { return {type_, join(offered_), join(accepted_)}; }

 private:
  int best_ = -1;
  TransformType type_ = TransformType::encr;
  std::vector<std::string> offered_, accepted_;
};

}  // namespace

wire::Sa to_wire(const std::vector<Proposal>& proposals, ByteView spi, bool strip_ke) {
  wire::Sa sa;
  for (const auto& part : split(proposals)) {
    if (sa.proposals.size() == limits::kMaxProposals) break;
    sa.proposals.push_back(to_wire(part, sa.proposals.size() + 1, spi, strip_ke));
  }
  return sa;
}

std::expected<ProposalChoice, ProposalMismatch> select_proposal(const std::vector<Proposal>& ours,
                                                                const wire::Sa& theirs,
                                                                const SelectOptions& options) {
  ClosestPairs closest;
  for (const auto& part : split(ours)) {
    for (const auto& offer : theirs.proposals) {
      if (offer.protocol != part.protocol) continue;
      Pairing pairing(part, offer, options);
      if (pairing.complete())
        return ProposalChoice{pairing.suite, std::move(pairing.accepted), offer.spi};
      closest.note(pairing, part, offer);
    }
  }
  if (!closest.any())
    return std::unexpected(ProposalMismatch{TransformType::encr, "no proposal for this protocol",
                                            ours.empty() ? "none" : to_string(ours.front())});
  return std::unexpected(closest.mismatch());
}

std::expected<ProposalChoice, ProposalMismatch> verify_choice(const std::vector<Proposal>& offered,
                                                              const wire::Sa& answer,
                                                              bool strip_ke) {
  if (answer.proposals.size() != 1)
    return std::unexpected(ProposalMismatch{
        TransformType::encr, fmt::format("{} proposals", answer.proposals.size()), "exactly one"});
  // RFC 7296, 3.3.6: a single transform of each type.
  const wire::Proposal& answered = answer.proposals.front();
  for (const auto& transform : answered.transforms) {
    if (std::ranges::count(answered.transforms, transform.type, &wire::Transform::type) == 1)
      continue;
    std::vector<std::string> words;
    add_theirs(words, transform.type, answered);
    return std::unexpected(ProposalMismatch{transform.type, join(words), "exactly one"});
  }
  return select_proposal(offered, answer, {.strip_ke = strip_ke});
}

bool accepts(const std::vector<Proposal>& proposals, const Suite& suite) {
  const auto has = [](const auto& list, const auto& value) {
    return std::ranges::find(list, value) != list.end();
  };
  return std::ranges::any_of(proposals, [&](const Proposal& proposal) {
    return has(proposal.encr, EncrTransform{suite.cipher.encr, suite.cipher.key_bits}) &&
           has(proposal.prf, suite.prf) && has(proposal.ke, suite.ke) &&
           (is_aead(suite.cipher.encr) || has(proposal.integ, suite.cipher.integ));
  });
}

}  // namespace culvert
