// The lock is flock() on the folder itself, so that no file is left over.
#include "cli/locked_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

#include "config/table_reader.h"

namespace culvert::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 5s;
constexpr auto kPause = 50ms;

}  // namespace

Outcome<std::optional<LockedFolder>> LockedFolder::try_once(const std::string& folder) {
  LockedFolder lock(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.fd_ < 0)
    return std::unexpected(fmt::format("cannot open {}: {}", config::in_quotes(folder),
                                       std::system_category().message(errno)));
  if (flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) return std::nullopt;
  return lock;
}

Outcome<LockedFolder> LockedFolder::of(const std::string& folder) {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    if (auto lock = TRY(try_once(folder))) return std::move(*lock);
    if (std::chrono::steady_clock::now() >= give_up)
      return std::unexpected(
          fmt::format("another culvert command is changing {}", config::in_quotes(folder)));
    std::this_thread::sleep_for(kPause);
  }
}

LockedFolder::LockedFolder(LockedFolder&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

LockedFolder::~LockedFolder() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace culvert::cli
