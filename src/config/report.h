// Collects what is wrong with a file, so that everything is said at once.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/document.h"
#include "config/load.h"

namespace culvert::config {

// More than these would only scroll the first ones away.
inline constexpr std::size_t kMaxDiagnostics = 100;

class Report {
 public:
  explicit Report(std::string file) : file_(std::move(file)) {}

  void error(Position at, std::string message, std::string suggestion = {}) {
    add(errors_, at, std::move(message), std::move(suggestion));
  }
  void warning(Position at, std::string message, std::string suggestion = {}) {
    add(warnings_, at, std::move(message), std::move(suggestion));
  }
  // Of another file, which this one names.
  void append(Report&& other);
  bool has_errors() const { return !errors_.empty(); }
  const std::string& file() const { return file_; }
  // In the order of the file.
  std::vector<Diagnostic> take_errors() { return sorted(std::move(errors_)); }
  std::vector<Diagnostic> take_warnings() { return sorted(std::move(warnings_)); }

 private:
  void add(std::vector<Diagnostic>& to, Position at, std::string message, std::string suggestion);
  static std::vector<Diagnostic> sorted(std::vector<Diagnostic> diagnostics);

  std::string file_;
  std::vector<Diagnostic> errors_, warnings_;
};

// "did you mean 'local'?", or empty when nothing is near.
std::string did_you_mean(std::string_view nearest_name);

}  // namespace culvert::config
