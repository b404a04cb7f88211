// One command at a time changes the files of a folder.
#pragma once

#include <optional>
#include <string>

#include "cli/subcommand.h"

namespace culvert::cli {

// Held until this dies, at the latest until the process ends.
class LockedFolder {
 public:
  // Waits a few seconds for another command to finish.
  static Outcome<LockedFolder> of(const std::string& folder);
  // none: another one has it.
  static Outcome<std::optional<LockedFolder>> try_once(const std::string& folder);
  LockedFolder(LockedFolder&& other) noexcept;
  LockedFolder& operator=(LockedFolder&&) = delete;
  ~LockedFolder();

 private:
  explicit LockedFolder(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace culvert::cli
