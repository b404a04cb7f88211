// A line is the number and the subscriber's identity in hexadecimal, because it may hold any
// octets. A line that is none, as a crash may leave at the end, does not count.
#include "daemon/sequence_numbers.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

namespace culvert {
namespace {

constexpr std::size_t kSpareLines = 4'096;  // before the file is written anew

std::string hex(std::string_view octets) {
  std::string text;
  for (const char octet : octets) text += fmt::format("{:02x}", static_cast<unsigned char>(octet));
  return text;
}

bool unhex(std::string_view text, std::string& octets) {
  for (; text.size() >= 2; text.remove_prefix(2)) {
    unsigned char octet = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + 2, octet, 16);
    if (error != std::errc() || end != text.data() + 2) return false;
    octets += static_cast<char>(octet);
  }
  return text.empty();
}

std::string line_of(const std::string& subscriber, std::uint64_t number) {
  return fmt::format("{} {}\n", number, hex(subscriber));
}

}  // namespace

std::expected<SequenceNumbers, std::string> SequenceNumbers::open(const std::string& state_dir) {
  SequenceNumbers opened;
  opened.path_ = state_dir + "/sim-sequence-numbers";
  if (std::ifstream file(opened.path_); file) {
    std::stringstream text;
    text << file.rdbuf();
    opened.read(text.view());
  }
  if (!opened.rewrite())
    return std::unexpected(fmt::format("cannot write {}: {}", opened.path_, std::strerror(errno)));
  return opened;
}

SequenceNumbers::SequenceNumbers(SequenceNumbers&& other) noexcept { *this = std::move(other); }

SequenceNumbers& SequenceNumbers::operator=(SequenceNumbers&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(numbers_, other.numbers_);
  std::swap(lines_, other.lines_);
  return *this;
}

SequenceNumbers::~SequenceNumbers() {
  if (fd_ >= 0) ::close(fd_);
}

std::uint64_t SequenceNumbers::of(const std::string& subscriber) const {
  const auto at = numbers_.find(subscriber);
  return at == numbers_.end() ? 0 : at->second;
}

void SequenceNumbers::use(const std::string& subscriber, std::uint64_t number) {
  numbers_[subscriber] = number;
  if (fd_ < 0) return;
  append(line_of(subscriber, number));
  if (++lines_ > 2 * numbers_.size() + kSpareLines) rewrite();
}

void SequenceNumbers::read(std::string_view text) {
  for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    std::uint64_t number = 0;
    const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), number);
    const auto used = static_cast<std::size_t>(rest - line.data());
    std::string subscriber;
    if (error == std::errc() && used < line.size() && line[used] == ' ' &&
        unhex(line.substr(used + 1), subscriber))
      numbers_[subscriber] = number;
  }
}

// Beside the file and then in its place, so that one of the two is there whatever happens.
bool SequenceNumbers::rewrite() {
  const std::string beside = path_ + ".new";
  int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
                  0600);
  if (fd < 0) return false;
  std::swap(fd_, fd);
  if (fd >= 0) ::close(fd);
  std::string text;
  for (const auto& [subscriber, number] : numbers_) text += line_of(subscriber, number);
  append(text);
  lines_ = numbers_.size();
  return ::rename(beside.c_str(), path_.c_str()) == 0;
}

void SequenceNumbers::append(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // a full disk: the number is kept until the end of the process
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace culvert
