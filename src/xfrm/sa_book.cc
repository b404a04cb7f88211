// Owns the record of our SAs.
#include "xfrm/sa_book.h"

namespace culvert::xfrm {
namespace {

SaName without_mark(SaName name) {
  name.mark = {};
  return name;
}

}  // namespace

std::optional<SaName> HalfPair::comp_name() const {
  if (cpi == 0) return std::nullopt;
  SaName comp = name;
  comp.spi = cpi;
  comp.protocol = kIpcomp;
  return comp;
}

void delete_half(Batch& batch, const HalfPair& half) {
  delete_sa(batch, half.name);
  if (const auto comp = half.comp_name()) delete_sa(batch, *comp);
}

SaPair* SaBook::find(SaPairId id) {
  const auto found = pairs_.find(id);
  return found == pairs_.end() ? nullptr : &found->second;
}
const SaPair* SaBook::find(SaPairId id) const {
  const auto found = pairs_.find(id);
  return found == pairs_.end() ? nullptr : &found->second;
}

const HalfPair* SaBook::find(SaPairId id, Direction direction) const {
  const SaPair* pair = find(id);
  if (!pair) return nullptr;
  const auto& half = direction == Direction::in ? pair->in : pair->out;
  return half ? &*half : nullptr;
}

const SaBook::Owner* SaBook::owner_of(const SaName& name) const {
  const auto found = names_.find(without_mark(name));
  return found == names_.end() ? nullptr : &found->second;
}

void SaBook::add(const InstallSa& sa) {
  SaPair& pair = pairs_[sa.pair];
  pair.half(sa.direction) = HalfPair{name_of(sa), sa.cpi};
  pair.local = sa.local.address;
  pair.remote = sa.remote.address;
  pair.reqid = sa.reqid;
  names_[without_mark(name_of(sa))] = {sa.pair, sa.direction};
}

// Another pair's SA may have the name by now, which marks alone tell apart.
void SaBook::forget(const SaName& name, SaPairId id) {
  const auto found = names_.find(without_mark(name));
  if (found != names_.end() && found->second.pair == id) names_.erase(found);
}

void SaBook::remove(SaPairId id, Direction direction) {
  SaPair* pair = find(id);
  if (!pair || !pair->half(direction)) return;
  forget(pair->half(direction)->name, id);
  pair->half(direction).reset();
  if (!pair->in && !pair->out) pairs_.erase(id);
}

void SaBook::move(const UpdateSa& to) {
  SaPair* pair = find(to.pair);
  if (!pair) return;
  pair->local = to.local.address;
  pair->remote = to.remote.address;
  for (const Direction direction : {Direction::in, Direction::out}) {
    auto& half = pair->half(direction);
    if (!half) continue;
    forget(half->name, to.pair);
    half->name.destination = direction == Direction::in ? pair->local : pair->remote;
    half->watched = true;
    names_[without_mark(half->name)] = {to.pair, direction};
  }
}

void SaBook::link(PolicyId policy, SaPairId from, SaPairId to) {
  if (SaPair* pair = find(from)) std::erase(pair->policies, policy);
  if (SaPair* pair = find(to)) pair->policies.push_back(policy);
}

}  // namespace culvert::xfrm
