// The CPU time of the calling thread.
#pragma once

#include <time.h>

namespace culvert::bench {

inline double cpu_seconds() {
  timespec at{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
  return static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) * 1e-9;
}

}  // namespace culvert::bench
