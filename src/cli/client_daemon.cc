// Invariant: who holds the lock on the folder is the command that is connected; its process number
// stands in a file there.
#include "cli/client_daemon.h"

#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "cli/pki_files.h"
#include "cli/programs.h"
#include "cli/text.h"
#include "cli/users_file.h"
#include "config/file.h"
#include "config/table_reader.h"

namespace culvert::cli {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using config::in_quotes;

constexpr auto kStart = 20s, kEnd = 20s;
constexpr auto kPause = 20ms;
constexpr std::uint16_t kIkePort = 500, kNatTPort = 4'500;
constexpr unsigned kMaxDevices = 100;
constexpr std::size_t kLogTail = 2'000;  // octets
constexpr std::size_t kMaxLog = 64 * 1'024 * 1'024;

// Characters that a file may have anywhere in its name.
std::string file_name_of(std::string name) {
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0 && c != '-' && c != '.'; }, '_');
  if (name.starts_with('.')) name.front() = '_';
  return name;
}

// A UDP port that is free: the wanted one, else (zero) any. Zero when there is none.
std::uint16_t free_port(std::uint16_t wanted) {
  const int socket = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 name{};
  name.sin6_family = AF_INET6;  // and IPv4: the socket takes both
  name.sin6_port = htons(wanted);
  socklen_t size = sizeof(name);
  auto* address = reinterpret_cast<sockaddr*>(&name);
  const bool is_free =
      socket >= 0 && bind(socket, address, size) == 0 && getsockname(socket, address, &size) == 0;
  if (socket >= 0) close(socket);
  return is_free ? ntohs(name.sin6_port) : 0;
}

std::uint16_t port_for(std::uint16_t wanted) {
  const std::uint16_t port = free_port(wanted);
  return port != 0 ? port : free_port(0);
}

std::string free_device() {
  for (unsigned number = 0; number < kMaxDevices; ++number) {
    const std::string name = fmt::format("culvert{}", number);
    if (if_nametoindex(name.c_str()) == 0) return name;
  }
  return "culvert0";  // culvertd says that it is taken
}

Outcome<> make_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) fs::permissions(folder, fs::perms::owner_all, error);
  if (!error) return {};
  return std::unexpected(fmt::format("cannot make {}: {}", in_quotes(folder), error.message()));
}

std::optional<pid_t> process_in(const std::string& folder) {
  const auto file = config::read_file(folder + "/pid", 32);
  if (!file) return std::nullopt;
  const auto number = parse_count(as_text(file->octets.view()));
  return number && *number > 1 ? std::optional(static_cast<pid_t>(*number)) : std::nullopt;
}

Outcome<bool> end_one(const std::string& folder) {
  const auto is_free = [&folder] {
    const auto lock = LockedFolder::try_once(folder);
    return !lock || *lock;  // gone, or given up
  };
  if (is_free()) return false;
  const auto process = process_in(folder);
  if (!process || kill(*process, SIGTERM) != 0)
    return std::unexpected(
        fmt::format("what is connected in {} cannot be reached", in_quotes(folder)));
  for (const auto late = Clock::now() + kEnd; !is_free(); std::this_thread::sleep_for(kPause))
    if (Clock::now() >= late)
      return std::unexpected(fmt::format("process {} does not end", *process));
  return true;
}

}  // namespace

ClientDaemon::ClientDaemon(std::string folder, LockedFolder lock)
    : folder_(std::move(folder)), lock_(std::move(lock)) {}

ClientDaemon::ClientDaemon(ClientDaemon&& other) noexcept
    : folder_(std::move(other.folder_)),
      lock_(std::move(other.lock_)),
      process_(std::exchange(other.process_, 0)) {
  other.lock_.reset();
}

ClientDaemon::~ClientDaemon() {
  if (!lock_) return;
  if (process_ != 0) kill(process_, SIGTERM);
  for (const auto late = Clock::now() + kEnd; runs(); std::this_thread::sleep_for(kPause))
    if (Clock::now() >= late) kill(process_, SIGKILL);
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

Outcome<ClientDaemon> ClientDaemon::start(const Plan& plan) {
  const std::string folder = plan.folder + "/" + file_name_of(plan.tunnel);
  CHECK_OK(make_folder(plan.folder));
  CHECK_OK(make_folder(folder));
  auto lock = TRY(LockedFolder::try_once(folder));
  if (!lock)
    return std::unexpected(
        fmt::format("{0} is connected already: culvert disconnect {0}", plan.tunnel));
  ClientDaemon daemon(folder, std::move(*lock));
  CHECK_OK(daemon.launch(plan));
  CHECK_OK(daemon.wait_until_ready());
  return daemon;
}

Outcome<> ClientDaemon::launch(const Plan& plan) {
  const std::string program = find_culvertd();
  if (program.empty()) return std::unexpected("culvertd is not installed");
  CHECK_OK(write_octets({.path = folder_ + "/pid", .force = true},
                        as_bytes(fmt::format("{}", getpid())), true));
  std::vector<std::string> argv{program,
                                "--config",
                                plan.profile,
                                "--vici",
                                "unix://" + folder_ + "/vici.sock",
                                "--state-dir",
                                folder_ + "/state",
                                "--device",
                                free_device(),
                                "--ike-port",
                                fmt::format("{}", port_for(kIkePort)),
                                "--nat-t-port",
                                fmt::format("{}", port_for(kNatTPort))};
  if (!plan.user.empty()) {
    const std::string users = folder_ + "/users.toml";
    std::string text =
        fmt::format("[user.{}]\npassword = {}\n", toml_key(plan.user),
                    toml_string("clear:" + std::string(as_text(plan.password.view()))));
    const auto written = write_octets({.path = users, .force = true}, as_bytes(text), true);
    secure_zero({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    CHECK_OK(written);
    argv.insert(argv.end(), {"--users", users});
  }
  process_ = TRY(start_program(argv, folder_ + "/log"));
  return {};
}

Outcome<> ClientDaemon::wait_until_ready() {
  for (const auto late = Clock::now() + kStart; Clock::now() < late;
       std::this_thread::sleep_for(kPause)) {
    if (!runs()) return std::unexpected("culvertd does not start:\n" + log_tail());
    if (connect()) return {};
  }
  return std::unexpected("culvertd does not answer:\n" + log_tail());
}

Outcome<vici::Client> ClientDaemon::connect() const {
  return vici::Client::connect("unix://" + folder_ + "/vici.sock");
}

bool ClientDaemon::runs() {
  if (process_ == 0) return false;
  int status = 0;
  const pid_t ended = waitpid(process_, &status, WNOHANG);
  if (ended == 0 || (ended < 0 && errno == EINTR)) return true;
  process_ = 0;
  return false;
}

std::string ClientDaemon::log_tail() const {
  const auto log = config::read_file(folder_ + "/log", kMaxLog);
  if (!log) return {};
  std::string_view text = as_text(log->octets.view());
  if (text.size() > kLogTail) text.remove_prefix(text.size() - kLogTail);
  while (text.ends_with('\n')) text.remove_suffix(1);
  return std::string(text);
}

Outcome<std::size_t> ClientDaemon::disconnect(const std::string& folder,
                                              const std::string& tunnel) {
  if (!tunnel.empty()) {
    const std::string one = folder + "/" + file_name_of(tunnel);
    return fs::exists(one) && TRY(end_one(one)) ? 1 : 0;
  }
  std::size_t ended = 0;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none))
    if (entry.is_directory(none) && TRY(end_one(entry.path().string()))) ++ended;
  return ended;
}

}  // namespace culvert::cli
