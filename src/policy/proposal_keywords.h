// The words of proposal texts and the transforms they stand for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "crypto/transforms.h"

namespace culvert {

struct ProposalKeyword {
  std::string_view name;
  TransformType type;
  std::uint16_t id;
  std::uint16_t key_bits;
};

// `name` in lower case; nullptr when unknown.
const ProposalKeyword* find_proposal_keyword(std::string_view name);
// True when this build can compute the algorithm, and not only name it.
bool is_implemented(const ProposalKeyword& keyword);
// The keyword with the smallest edit distance, or empty when nothing is near. `name` in lower case.
std::string_view nearest_proposal_keyword(std::string_view name);
// The preferred keyword of a transform, or its numbers ("encr#23/256") when it has no name here.
std::string proposal_keyword(TransformType type, std::uint16_t id, std::uint16_t key_bits = 0);

}  // namespace culvert
