// Sequence numbers count up by one; 3GPP TS 33.102, C leaves how to the operator, as long as no
// number comes twice.
#include "eap/sim_credentials.h"

#include <algorithm>
#include <utility>

namespace culvert::eap {
namespace {

constexpr std::uint16_t kSeparation = 0x8000;  // of AMF: 3GPP TS 33.102, H
constexpr std::uint64_t kMaxSqn = (std::uint64_t{1} << 48) - 1;

milenage::Six xored(const milenage::Six& a, ByteView b) {
  milenage::Six out;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(a[i] ^ b[i]);
  return out;
}

milenage::Keys clone(const milenage::Keys& keys) { return {keys.k.clone(), keys.opc.clone()}; }

bool well_formed(const Triplet& triplet) {
  return triplet.rand.size() == kRandSize && triplet.sres.size() == kSresSize &&
         triplet.kc.size() == kKcSize;
}

}  // namespace

Subscriber clone(const Subscriber& subscriber) {
  Subscriber copy{subscriber.identity, std::nullopt, subscriber.sqn, subscriber.triplets};
  if (subscriber.keys) copy.keys = clone(*subscriber.keys);
  return copy;
}

void SubscriberStore::add(Subscriber subscriber) {
  std::erase_if(subscriber.triplets, [](const Triplet& t) { return !well_formed(t); });
  std::string identity = subscriber.identity;
  if (const auto old = entries_.find(identity); old != entries_.end())
    subscriber.sqn = std::max(subscriber.sqn, old->second.subscriber.sqn);
  entries_.insert_or_assign(std::move(identity), Entry{std::move(subscriber), 0});
}

bool SubscriberStore::remove(const std::string& identity) { return entries_.erase(identity) > 0; }

const SubscriberStore::Entry* SubscriberStore::find(std::string_view identity) const {
  const std::string_view user = identity.substr(0, identity.find('@'));
  for (const std::string_view name : {identity, user, user.substr(user.empty() ? 0 : 1)}) {
    const auto found = entries_.find(std::string(name));
    if (found != entries_.end()) return &found->second;
  }
  return nullptr;
}

std::optional<std::string> SubscriberStore::subscriber(std::string_view identity) const {
  const Entry* entry = find(identity);
  return entry ? std::optional(entry->subscriber.identity) : std::nullopt;
}

std::optional<std::uint64_t> SubscriberStore::sqn(std::string_view identity) const {
  const Entry* entry = find(identity);
  return entry ? std::optional(entry->subscriber.sqn) : std::nullopt;
}

void SubscriberStore::use(Subscriber& subscriber, std::uint64_t sqn) {
  subscriber.sqn = sqn;
  if (used_) used_(subscriber.identity, sqn);
}

// Looks its subscriber up each time: the operator may take it away meanwhile.
class SubscriberStore::Card final : public SimCard {
 public:
  Card(SubscriberStore& store, std::string identity)
      : store_(store), identity_(std::move(identity)) {}

  std::optional<Gsm> gsm(ByteView rand) override {
    const Entry* entry = store_.find(identity_);
    if (!entry) return std::nullopt;
    const Subscriber& subscriber = entry->subscriber;
    if (!subscriber.keys) return TripletCard(subscriber.triplets).gsm(rand);
    return MilenageCard(store_.provider_, clone(*subscriber.keys), subscriber.sqn).gsm(rand);
  }

  UmtsResult umts(ByteView rand, ByteView autn) override {
    Entry* entry = store_.find(identity_);
    if (!entry || !entry->subscriber.keys) return Rejected{};
    MilenageCard card(store_.provider_, clone(*entry->subscriber.keys), entry->subscriber.sqn);
    UmtsResult result = card.umts(rand, autn);
    if (card.sqn() != entry->subscriber.sqn) store_.use(entry->subscriber, card.sqn());
    return result;
  }

 private:
  SubscriberStore& store_;
  std::string identity_;
};

std::unique_ptr<SimCard> SubscriberStore::card(std::string_view identity) {
  const Entry* entry = find(identity);
  return entry ? std::make_unique<Card>(*this, entry->subscriber.identity) : nullptr;
}

std::vector<Triplet> SubscriberStore::triplets(std::string_view identity, std::size_t count) {
  std::vector<Triplet> result;
  Entry* entry = find(identity);
  if (!entry) return result;
  const Subscriber& subscriber = entry->subscriber;
  if (!subscriber.keys) {
    const std::size_t known = subscriber.triplets.size();
    for (std::size_t i = 0; i < std::min(count, known); ++i)
      result.push_back(subscriber.triplets[entry->next_triplet++ % known]);
    return result;
  }
  while (result.size() < count) {
    Bytes rand(kRandSize);
    provider_.random(rand);
    const auto answers = milenage::f2345(provider_, *subscriber.keys, rand);
    if (!answers) break;
    const milenage::Gsm gsm = milenage::gsm_of(*answers);
    result.push_back({std::move(rand), to_bytes(gsm.sres), to_bytes(gsm.kc)});
  }
  return result;
}

std::optional<Quintuplet> SubscriberStore::quintuplet(std::string_view identity, bool separation) {
  Entry* entry = find(identity);
  if (!entry || !entry->subscriber.keys || entry->subscriber.sqn >= kMaxSqn) return std::nullopt;
  Subscriber& subscriber = entry->subscriber;
  Quintuplet result;
  result.rand.resize(kRandSize);
  provider_.random(result.rand);
  const std::uint16_t amf = separation ? kSeparation : 0;
  const milenage::Six sqn = milenage::sqn_octets(subscriber.sqn + 1);
  const auto answers = milenage::f2345(provider_, *subscriber.keys, result.rand);
  const auto macs = milenage::f1(provider_, *subscriber.keys, result.rand, sqn, amf);
  if (!answers || !macs) return std::nullopt;
  use(subscriber, subscriber.sqn + 1);
  Writer autn(result.autn);
  autn.bytes(xored(sqn, answers->ak));
  autn.u16(amf);
  autn.bytes(macs->a);
  result.xres = to_bytes(answers->res);
  result.ck = to_bytes(answers->ck);
  result.ik = to_bytes(answers->ik);
  return result;
}

// 3GPP TS 33.102, 6.3.5: AUTS is SQN xor AK*, then MAC-S with an AMF of zero.
bool SubscriberStore::resynchronise(std::string_view identity, ByteView rand, ByteView auts) {
  Entry* entry = find(identity);
  if (!entry || !entry->subscriber.keys || auts.size() != kAutsSize) return false;
  const auto answers = milenage::f2345(provider_, *entry->subscriber.keys, rand);
  if (!answers) return false;
  const milenage::Six sqn = xored(answers->ak_star, auts);
  const auto macs = milenage::f1(provider_, *entry->subscriber.keys, rand, sqn, 0);
  if (!macs || !equal_constant_time(macs->s, auts.subspan(sqn.size()))) return false;
  use(entry->subscriber, milenage::sqn_of(sqn));
  return true;
}

std::optional<SimCard::Gsm> MilenageCard::gsm(ByteView rand) {
  const auto answers = milenage::f2345(provider_, keys_, rand);
  if (!answers) return std::nullopt;
  const milenage::Gsm result = milenage::gsm_of(*answers);
  return Gsm{to_bytes(result.sres), to_bytes(result.kc)};
}

SimCard::UmtsResult MilenageCard::umts(ByteView rand, ByteView autn) {
  if (autn.size() != kAutnSize) return Rejected{};
  const auto answers = milenage::f2345(provider_, keys_, rand);
  if (!answers) return Rejected{};
  const milenage::Six sqn = xored(answers->ak, autn);
  const auto amf = load_be<std::uint16_t>(autn.data() + sqn.size());
  const auto macs = milenage::f1(provider_, keys_, rand, sqn, amf);
  if (!macs || !equal_constant_time(macs->a, autn.subspan(8))) return Rejected{};
  if (milenage::sqn_of(sqn) <= sqn_) {
    const milenage::Six highest = milenage::sqn_octets(sqn_);
    const auto star = milenage::f1(provider_, keys_, rand, highest, 0);
    if (!star) return Rejected{};
    Bytes auts = to_bytes(xored(highest, answers->ak_star));
    append(auts, star->s);
    return Resynchronise{std::move(auts)};
  }
  sqn_ = milenage::sqn_of(sqn);
  return Umts{to_bytes(answers->res), to_bytes(answers->ck), to_bytes(answers->ik)};
}

std::optional<SimCard::Gsm> TripletCard::gsm(ByteView rand) {
  for (const Triplet& triplet : triplets_)
    if (equal(triplet.rand, rand)) return Gsm{triplet.sres, triplet.kc};
  return std::nullopt;
}

}  // namespace culvert::eap
