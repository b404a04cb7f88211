#include "cli/programs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "cli/text.h"

namespace culvert::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxOutput = 4'096;  // octets of it that an error shows
constexpr int kCannotRun = 127;            // as shells have it

std::string system_message() { return std::system_category().message(errno); }

std::vector<char*> pointers_of(std::vector<std::string>& argv) {
  std::vector<char*> pointers;
  for (std::string& word : argv) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Of the child, between fork and exec: nothing that allocates.
[[noreturn]] void become(char* const* argv, int output) {
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execvp(argv[0], argv);
  _exit(kCannotRun);
}

std::string read_some(int pipe) {
  std::string text;
  std::array<char, 512> some;
  for (;;) {
    const ssize_t count = read(pipe, some.data(), some.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    if (text.size() < kMaxOutput) text.append(some.data(), static_cast<std::size_t>(count));
  }
}

std::string outcome_of(int status) {
  if (WIFSIGNALED(status)) return fmt::format("ended by signal {}", WTERMSIG(status));
  if (WEXITSTATUS(status) == kCannotRun) return "it cannot be run";
  return fmt::format("ended with status {}", WEXITSTATUS(status));
}

}  // namespace

std::string find_culvertd() {
  std::error_code error;
  const fs::path own = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& folder :
       {own, own / "../sbin", fs::path("/usr/sbin"), fs::path("/usr/local/sbin")}) {
    const fs::path program = (folder / "culvertd").lexically_normal();
    if (access(program.c_str(), X_OK) == 0) return program.string();
  }
  return {};
}

Outcome<> run_program(const std::vector<std::string>& argv) {
  std::vector<std::string> words = argv;
  const auto pointers = pointers_of(words);
  std::array<int, 2> output;
  if (pipe2(output.data(), O_CLOEXEC) != 0)
    return std::unexpected(fmt::format("cannot run {}: {}", argv.front(), system_message()));
  const pid_t child = fork();
  if (child == 0) become(pointers.data(), output[1]);
  close(output[1]);
  const std::string said = child > 0 ? read_some(output[0]) : std::string();
  close(output[0]);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child)
    return std::unexpected(fmt::format("cannot run {}: {}", argv.front(), system_message()));
  if (status == 0) return {};
  return std::unexpected(fmt::format("{}: {}{}{}", fmt::join(argv, " "), outcome_of(status),
                                     said.empty() ? "" : ": ", printable(said)));
}

Outcome<pid_t> start_program(const std::vector<std::string>& argv, const std::string& log) {
  std::vector<std::string> words = argv;
  const auto pointers = pointers_of(words);
  const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (output < 0)
    return std::unexpected(fmt::format("cannot write '{}': {}", log, system_message()));
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(kCannotRun);  // it died before the line above
    become(pointers.data(), output);
  }
  close(output);
  if (child > 0) return child;
  return std::unexpected(fmt::format("cannot run {}: {}", argv.front(), system_message()));
}

}  // namespace culvert::cli
