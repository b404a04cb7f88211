// Owns reading files. Only regular ones are read, so a read never waits for a writer.
#include "config/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "config/table_reader.h"

namespace culvert::config {
namespace {

class Descriptor {
 public:
  explicit Descriptor(const std::string& path)
      : value_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  int get() const { return value_; }

 private:
  int value_;
};

std::unexpected<std::string> cannot_read(const std::string& path, const std::string& why) {
  return std::unexpected(fmt::format("cannot read {}: {}", in_quotes(path), why));
}
std::unexpected<std::string> cannot_read(const std::string& path) {
  return cannot_read(path, std::system_category().message(errno));
}

}  // namespace

std::expected<FileContents, std::string> read_file(const std::string& path, std::size_t max_size) {
  if (path.contains('\0')) return cannot_read(path, "the name has a zero octet");
  const Descriptor file(path);
  struct stat status{};
  if (file.get() < 0 || fstat(file.get(), &status) != 0) return cannot_read(path);
  if (!S_ISREG(status.st_mode)) return cannot_read(path, "it is not a regular file");
  if (static_cast<std::uintmax_t>(status.st_size) > max_size)
    return cannot_read(path,
                       fmt::format("it has {} octets, the limit is {}", status.st_size, max_size));
  FileContents contents{SecretBytes(static_cast<std::size_t>(status.st_size)),
                        (status.st_mode & S_IROTH) != 0};
  MutableBytes rest = contents.octets.mutable_view();
  while (!rest.empty()) {
    const ssize_t count = read(file.get(), rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return cannot_read(path);
    if (count == 0) return cannot_read(path, "it shrank while it was read");
    rest = rest.subspan(static_cast<std::size_t>(count));
  }
  return contents;
}

std::string beside(const std::string& from, const std::string& name) {
  return (std::filesystem::path(from).parent_path() / name).string();
}

ByteView without_newline(ByteView octets) {
  if (!octets.empty() && octets.back() == '\n') octets = octets.first(octets.size() - 1);
  if (!octets.empty() && octets.back() == '\r') octets = octets.first(octets.size() - 1);
  return octets;
}

}  // namespace culvert::config
