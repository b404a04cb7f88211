// How the kernel treats packets that meet a trap (Documentation/networking/xfrm_sysctl.rst).
#pragma once

#include <string>
#include <vector>

namespace culvert::xfrm {

// Invariant: what stood there before stands there again after it.
class LarvalSettings {
 public:
  // The packets wait for their SA instead of being dropped, and a trap asks again within seconds.
  // What could not be set is told in `missing`.
  explicit LarvalSettings(std::vector<std::string>& missing);
  ~LarvalSettings();
  LarvalSettings(const LarvalSettings&) = delete;
  LarvalSettings& operator=(const LarvalSettings&) = delete;

 private:
  struct Before {
    std::string path, value;
  };
  std::vector<Before> before_;
};

}  // namespace culvert::xfrm
