#include "io/resolv_conf.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

namespace culvert::io {
namespace {

constexpr std::string_view kBegin = "# culvert: name servers of the tunnel, until it goes down\n";
constexpr std::string_view kEnd = "# culvert: end\n";

std::string_view without_block(std::string_view text, std::string& joined) {
  const auto begin = text.find(kBegin);
  if (begin == std::string_view::npos) return text;
  const auto end = text.find(kEnd, begin);
  joined = text.substr(0, begin);
  // Where the end is missing, somebody has edited the block: only its first line is surely ours.
  joined += text.substr(end == std::string_view::npos ? begin + kBegin.size() : end + kEnd.size());
  return joined;
}

std::unexpected<std::string> failed(const std::string& path) {
  return std::unexpected(fmt::format("cannot change {}: {}", path, std::strerror(errno)));
}

// The file itself where the path is a symbolic link.
std::string target_of(const std::string& path) {
  char resolved[PATH_MAX];
  return ::realpath(path.c_str(), resolved) ? resolved : path;
}

bool write_whole(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  return !file.fail();
}

}  // namespace

std::string with_name_servers(std::string_view text, const std::vector<IpAddress>& servers) {
  std::string joined;
  const std::string_view rest = without_block(text, joined);
  if (servers.empty()) return std::string(rest);
  std::string made(kBegin);
  for (const IpAddress& server : servers)
    made += fmt::format("nameserver {}\n", server.to_string());
  made += kEnd;
  made += rest;
  return made;
}

std::expected<void, std::string> set_name_servers(const std::string& path,
                                                  const std::vector<IpAddress>& servers) {
  const std::string file = target_of(path);
  std::ifstream input(file, std::ios::binary);
  const std::string before(std::istreambuf_iterator<char>(input), {});
  const std::string after = with_name_servers(before, servers);
  if (after == before) return {};
  const std::string next = file + ".culvert";
  if (write_whole(next, after)) {
    struct stat status{};
    if (::stat(file.c_str(), &status) == 0) ::chmod(next.c_str(), status.st_mode & 07777);
    if (std::rename(next.c_str(), file.c_str()) == 0) return {};
  }
  ::unlink(next.c_str());
  if (!write_whole(file, after)) return failed(path);
  return {};
}

}  // namespace culvert::io
