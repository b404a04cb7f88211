// Owns the words for what needs the kernel's data plane.
#include "esp/refusals.h"

#include <fmt/format.h>

namespace culvert::esp {
namespace {

constexpr std::string_view kBeet = "mode = \"beet\"";

}  // namespace

std::string_view setting_for_kernel(const InstallSa& op) {
  const bool in = op.direction == Direction::in;
  if (op.mode == Mode::beet) return kBeet;
  if (op.mark) return in ? "mark_in" : "mark_out";
  if (op.set_mark) return in ? "set_mark_in" : "set_mark_out";
  if (op.if_id != 0) return in ? "if_id_in" : "if_id_out";
  return {};
}

std::string_view setting_for_kernel(const InstallPolicy& op) {
  if (op.mode == Mode::beet) return kBeet;
  if (op.mark_in) return "mark_in";
  if (op.mark_out) return "mark_out";
  if (op.if_id_in != 0) return "if_id_in";
  if (op.if_id_out != 0) return "if_id_out";
  return {};
}

std::string needs_kernel(std::string_view setting) {
  return fmt::format(
      "{} needs the kernel's data plane, and here the userspace one serves: leave it out, or set "
      "data_plane = \"kernel\"",
      setting);
}

}  // namespace culvert::esp
