// Chooses and starts the data plane.
#include "daemon/data_plane_choice.h"

#include <fmt/format.h>

#include "esp/userspace_plane.h"
#include "xfrm/kernel_plane.h"

namespace culvert {
namespace {

esp::PlaneOptions userspace_options(const config::DaemonSettings& settings) {
  esp::PlaneOptions options;
  options.device = settings.device;
  options.workers = settings.workers;
  options.ike_port = settings.ike_port;
  options.nat_t_port = settings.nat_t_port;
  options.mtu = settings.mtu;
  return options;
}

xfrm::KernelPlaneOptions kernel_options(const config::DaemonSettings& settings) {
  xfrm::KernelPlaneOptions options;
  options.ike_port = settings.ike_port;
  options.nat_t_port = settings.nat_t_port;
  return options;
}

}  // namespace

std::expected<ChosenPlane, std::string> choose_data_plane(const config::DaemonSettings& settings,
                                                          DataPlane::IkeSink sink) {
  const bool automatic = settings.data_plane == "auto";
  std::string choice = fmt::format("(data_plane = \"{}\")", settings.data_plane);
  if (settings.data_plane != "userspace") {
    const auto works = xfrm::KernelPlane::probe();
    if (!works && !automatic)
      return std::unexpected(
          fmt::format("data_plane = \"kernel\": {}; use \"userspace\" or \"auto\"", works.error()));
    if (works) {
      auto plane = xfrm::KernelPlane::start(kernel_options(settings), std::move(sink));
      if (!plane) return std::unexpected(std::move(plane.error()));
      return ChosenPlane{std::move(*plane), "kernel " + choice};
    }
    choice = fmt::format("(data_plane = \"auto\", and {})", works.error());
  }
  auto plane = esp::UserspacePlane::start(userspace_options(settings), std::move(sink));
  if (!plane) return std::unexpected(std::move(plane.error()));
  return ChosenPlane{std::move(*plane), "userspace " + choice};
}

}  // namespace culvert
