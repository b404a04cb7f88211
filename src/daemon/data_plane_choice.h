// Which data plane serves, after [daemon] data_plane.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "config/load.h"
#include "ipsec/data_plane.h"

namespace culvert {

struct ChosenPlane {
  std::unique_ptr<DataPlane> plane;
  std::string choice;  // "userspace (data_plane = "auto": the kernel takes no ESP SA: …)"
};

// "auto": the kernel's where it really takes an ESP SA, else userspace. The sink may be called from
// another thread. The error is a sentence for the operator.
std::expected<ChosenPlane, std::string> choose_data_plane(const config::DaemonSettings& settings,
                                                          DataPlane::IkeSink sink);

}  // namespace culvert
