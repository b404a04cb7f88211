// What the kernel's data plane can do and this one can't.
#pragma once

#include <string>
#include <string_view>

#include "ipsec/operations.h"

namespace culvert::esp {

// The setting, as the configuration calls it, that only the kernel's data plane can obey; empty:
// there is none.
std::string_view setting_for_kernel(const InstallSa& op);
std::string_view setting_for_kernel(const InstallPolicy& op);

std::string needs_kernel(std::string_view setting);

}  // namespace culvert::esp
