#include "sim/up_downs.h"

#include <fmt/format.h>

namespace culvert::sim {

std::uint32_t UpDowns::lineage_of(std::uint32_t child) const {
  const auto at = ancestors_.find(child);
  return at == ancestors_.end() ? child : at->second;
}

void UpDowns::changed(const SaNews& news) {
  if (const auto* ike = std::get_if<IkeSaRekeyed>(&news)) {
    if (ikes_.erase(ike->old.unique_id) > 0) ikes_.insert(ike->successor.unique_id);
  } else if (const auto* child = std::get_if<ChildSaRekeyed>(&news)) {
    const auto& [old, successor] = std::tie(child->sa.children.at(0), child->sa.children.at(1));
    ancestors_[successor.unique_id] = lineage_of(old.unique_id);
  }
}

void UpDowns::changed(const UpDown& change, Checkers& checkers) {
  if (change.child) return change_child(change, checkers);
  const std::uint32_t id = change.sa.unique_id;
  const bool paired = change.up ? ikes_.insert(id).second : ikes_.erase(id) > 0;
  if (!paired)
    checkers.report("up-down", fmt::format("IKE SA {} of {} went {} twice", id, change.sa.name,
                                           change.up ? "up" : "down"));
}

void UpDowns::change_child(const UpDown& change, Checkers& checkers) {
  const ChildSaStatus& child = change.sa.children.at(*change.child);
  const std::uint32_t lineage = lineage_of(child.unique_id);
  const bool paired = change.up ? lineages_.insert(lineage).second : lineages_.erase(lineage) > 0;
  if (!paired)
    checkers.report("up-down", fmt::format("CHILD SA {} of {} went {} twice", child.unique_id,
                                           change.sa.name, change.up ? "up" : "down"));
  if (!ikes_.contains(change.sa.unique_id))
    checkers.report("up-down", fmt::format("CHILD SA {} changed while its IKE SA {} was down",
                                           child.unique_id, change.sa.unique_id));
}

std::vector<std::string> UpDowns::differences(const std::vector<IkeSaStatus>& listed) const {
  std::vector<std::string> found;
  std::set<std::uint32_t> ikes, lineages;
  for (const IkeSaStatus& sa : listed) {
    const bool going = sa.state == "DELETING" || sa.state == "REKEYED";
    if (sa.established != kNever && !going) ikes.insert(sa.unique_id);
    for (const ChildSaStatus& child : sa.children)
      if (child.state != "DELETED") lineages.insert(lineage_of(child.unique_id));
  }
  for (const std::uint32_t id : ikes)
    if (!ikes_.contains(id)) found.push_back(fmt::format("IKE SA {} is up, unannounced", id));
  if (listed.empty() && !ikes_.empty())
    found.push_back(fmt::format("{} IKE SAs never went down", ikes_.size()));
  for (const std::uint32_t id : lineages)
    if (!lineages_.contains(id)) found.push_back(fmt::format("CHILD SA {} is up, unannounced", id));
  for (const std::uint32_t id : lineages_)
    if (!lineages.contains(id)) found.push_back(fmt::format("CHILD SA {} never went down", id));
  return found;
}

}  // namespace culvert::sim
