// The sequence numbers of SIM subscribers, over restarts: a file of lines to which each use adds
// one. A number that was lost in a crash of the machine costs a resynchronisation at the next
// login.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <unordered_map>

namespace culvert {

class SequenceNumbers {
 public:
  // Reads the file, when there is one, and writes it anew with one line for each subscriber. The
  // error is a sentence.
  static std::expected<SequenceNumbers, std::string> open(const std::string& state_dir);
  SequenceNumbers() = default;  // keeps nothing
  SequenceNumbers(SequenceNumbers&& other) noexcept;
  SequenceNumbers& operator=(SequenceNumbers&& other) noexcept;
  ~SequenceNumbers();

  // The last one that was used; zero: none.
  std::uint64_t of(const std::string& subscriber) const;
  void use(const std::string& subscriber, std::uint64_t number);

 private:
  void read(std::string_view text);
  bool rewrite();
  void append(std::string_view text);

  std::string path_;
  int fd_ = -1;
  std::unordered_map<std::string, std::uint64_t> numbers_;
  std::size_t lines_ = 0;
};

}  // namespace culvert
