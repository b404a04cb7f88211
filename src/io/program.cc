// Invariant: a lane has at most one running program, and a process is not reaped before its
// descriptor says that it has ended, so that its number cannot mean another process when we kill.
#include "io/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

namespace culvert::io {
namespace {

constexpr std::size_t kMaxLine = 1'024;
constexpr std::size_t kChunk = 4'096;
constexpr int kLastReads = 64;  // of what a program that has ended left in its pipe

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string system_error(std::string_view what) {
  return fmt::format("could not be started: {}: {}", what, std::strerror(errno));
}

// Nothing of ours is left to the child but the pipe: no descriptor, no blocked or ignored signal.
struct SpawnSettings {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;

  explicit SpawnSettings(int output) {
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
};

// The process, or -1 with errno.
pid_t spawn_shell(const Program& program, int output) {
  const SpawnSettings settings(output);
  std::string shell = "sh", option = "-c", command = program.command;
  char* argv[] = {shell.data(), option.data(), command.data(), nullptr};
  std::vector<std::string> environment = program.environment;
  std::vector<char*> envp;
  for (std::string& variable : environment) envp.push_back(variable.data());
  envp.push_back(nullptr);
  pid_t pid = -1;
  errno =
      ::posix_spawn(&pid, "/bin/sh", &settings.actions, &settings.attributes, argv, envp.data());
  return errno == 0 ? pid : -1;
}

std::string outcome_of(int status, bool killed, Duration deadline) {
  if (killed)
    return fmt::format("was killed after {} s",
                       std::chrono::duration_cast<std::chrono::seconds>(deadline).count());
  if (WIFSIGNALED(status)) return fmt::format("was ended by signal {}", WTERMSIG(status));
  if (WEXITSTATUS(status) == 0) return {};
  return fmt::format("ended with status {}", WEXITSTATUS(status));
}

}  // namespace

struct ProgramRunner::Running {
  std::uint64_t lane = 0;
  Program program;
  pid_t pid = -1;
  Descriptor process, output;
  std::optional<ReadableWatch> end_watch, output_watch;  // before the descriptors in destruction
  std::optional<Timer> deadline;
  std::string line;
  std::size_t lines = 0;
  bool killed = false;
};

ProgramRunner::ProgramRunner(EventLoop& loop, Options options)
    : loop_(loop), options_(std::move(options)) {}

ProgramRunner::~ProgramRunner() {
  for (const auto& running : running_) {
    ::kill(-running->pid, SIGKILL);
    ::waitpid(running->pid, nullptr, WNOHANG);  // what is not dead yet, init will reap
  }
}

bool ProgramRunner::run(std::uint64_t lane, Program program) {
  if (waiting_ >= options_.max_waiting) return false;
  const auto [at, is_new] = lanes_.try_emplace(lane);
  at->second.push_back(std::move(program));
  ++waiting_;
  if (is_new) ready_.push_back(lane);
  start_next();
  return true;
}

void ProgramRunner::start_next() {
  while (running_.size() < options_.max_running && !ready_.empty()) {
    const std::uint64_t lane = ready_.front();
    ready_.pop_front();
    auto& queue = lanes_.at(lane);
    Program program = std::move(queue.front());
    queue.pop_front();
    --waiting_;
    start(lane, std::move(program));
  }
}

void ProgramRunner::start(std::uint64_t lane, Program program) {
  auto running = std::make_unique<Running>();
  running->lane = lane;
  running->program = std::move(program);
  int pipe[2] = {-1, -1};
  std::string problem;
  if (::pipe2(pipe, O_CLOEXEC) != 0) {
    problem = system_error("no pipe");
  } else {
    running->output.reset(pipe[0]);
    ::fcntl(pipe[0], F_SETFL, O_NONBLOCK);
    const Descriptor write_end(pipe[1]);
    running->pid = spawn_shell(running->program, pipe[1]);
    if (running->pid < 0) problem = system_error("/bin/sh");
  }
  if (running->pid >= 0) {
    running->process.reset(static_cast<int>(::syscall(SYS_pidfd_open, running->pid, 0)));
    if (running->process.get() < 0) {
      problem = system_error("no descriptor for the process");
      ::kill(-running->pid, SIGKILL);
      ::waitpid(running->pid, nullptr, 0);
    }
  }
  if (!problem.empty()) {
    // Not at once: the caller is in the middle of something.
    loop_.post([on_end = std::move(running->program.on_end), problem] { on_end(problem); });
    return finish_lane(lane);
  }
  Running& one = *running_.emplace_back(std::move(running));
  one.end_watch.emplace(loop_, one.process.get(), [this, &one] { ended(one); });
  one.output_watch.emplace(loop_, one.output.get(), [this, &one] { read(one); });
  one.deadline.emplace(loop_, [this, &one] { expire(one); });
  one.deadline->set(loop_.now() + options_.deadline);
}

void ProgramRunner::finish_lane(std::uint64_t lane) {
  const auto at = lanes_.find(lane);
  if (at->second.empty())
    lanes_.erase(at);
  else
    ready_.push_back(lane);
}

bool ProgramRunner::read(Running& running) {
  char chunk[kChunk];
  const auto size = ::read(running.output.get(), chunk, sizeof(chunk));
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (size <= 0) {
    running.output_watch.reset();  // nobody has the other end any more
    return false;
  }
  for (const char c : std::string_view(chunk, static_cast<std::size_t>(size))) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '\n' || running.line.size() >= kMaxLine) take_line(running);
    if (c != '\n') running.line += octet < 0x20 || octet == 0x7f ? ' ' : c;
  }
  return true;
}

void ProgramRunner::take_line(Running& running) {
  const std::string line = std::exchange(running.line, {});
  if (++running.lines <= options_.max_lines) running.program.on_line(line);
}

void ProgramRunner::expire(Running& running) {
  running.killed = true;
  ::kill(-running.pid, SIGKILL);  // its end is seen as any other
}

void ProgramRunner::ended(Running& running) {
  int status = 0;
  if (::waitpid(running.pid, &status, WNOHANG) != running.pid) return;
  // What it started may hold the pipe open for ever; only what is there already is waited for.
  for (int i = 0; i < kLastReads && read(running); ++i) {
  }
  if (!running.line.empty()) take_line(running);
  if (running.lines > options_.max_lines)
    running.program.on_line(fmt::format("… and {} more lines", running.lines - options_.max_lines));
  const auto at =
      std::ranges::find_if(running_, [&](const auto& other) { return other.get() == &running; });
  const std::unique_ptr<Running> done = std::move(*at);
  running_.erase(at);
  finish_lane(done->lane);
  done->program.on_end(outcome_of(status, done->killed, options_.deadline));
  start_next();
}

}  // namespace culvert::io
