// What the kernel's refusals mean.
#pragma once

#include <string>

#include "base/result.h"
#include "xfrm/parse.h"

namespace culvert::xfrm {

// "the kernel refused WHAT: why; what to do about it".
std::string refusal_sentence(const std::string& what, const Ack& ack);
// The kernel's words, or the errno's.
std::string words_of(const Ack& ack);
Error error_of(const Ack& ack);

}  // namespace culvert::xfrm
