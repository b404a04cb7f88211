// Owns the settings' files.
#include "xfrm/larval_settings.h"

#include <fmt/format.h>

#include <fstream>

namespace culvert::xfrm {
namespace {

struct Setting {
  const char* path;
  const char* value;
  const char* without;
};
constexpr Setting kSettings[] = {
    {"/proc/sys/net/core/xfrm_larval_drop", "0", "the packets that call for a tunnel are lost"},
    // A trap is silent for so many seconds after it has asked, even if negotiation failed at once.
    {"/proc/sys/net/core/xfrm_acq_expires", "4", "a trap asks again only after half a minute"},
};

bool write_setting(const std::string& path, const std::string& value) {
  std::ofstream file(path);
  return static_cast<bool>(file << value << std::flush);
}

}  // namespace

LarvalSettings::LarvalSettings(std::vector<std::string>& missing) {
  for (const Setting& setting : kSettings) {
    std::string value;
    std::ifstream(setting.path) >> value;
    if (value == setting.value) continue;
    if (write_setting(setting.path, setting.value))
      before_.push_back({setting.path, value});
    else
      missing.push_back(fmt::format("{}: {} is not writable", setting.without, setting.path));
  }
}

LarvalSettings::~LarvalSettings() {
  for (const Before& one : before_) write_setting(one.path, one.value);
}

}  // namespace culvert::xfrm
