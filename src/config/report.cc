// Owns the form of diagnostics.
#include "config/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <tuple>

namespace culvert::config {

std::string Diagnostic::to_string() const {
  std::string text = file;
  if (line != 0) text += fmt::format(":{}:{}", line, column);
  text += ": " + message;
  if (!suggestion.empty()) text += "; " + suggestion;
  return text;
}

void Report::add(std::vector<Diagnostic>& to, Position at, std::string message,
                 std::string suggestion) {
  if (to.size() >= kMaxDiagnostics) return;
  to.push_back({file_, at.line, at.column, std::move(message), std::move(suggestion)});
}

void Report::append(Report&& other) {
  std::ranges::move(other.errors_, std::back_inserter(errors_));
  std::ranges::move(other.warnings_, std::back_inserter(warnings_));
}

std::vector<Diagnostic> Report::sorted(std::vector<Diagnostic> diagnostics) {
  std::ranges::sort(diagnostics, {}, [](const Diagnostic& diagnostic) {
    return std::tie(diagnostic.file, diagnostic.line, diagnostic.column, diagnostic.message);
  });
  return diagnostics;
}

std::string did_you_mean(std::string_view nearest_name) {
  return nearest_name.empty() ? std::string() : fmt::format("did you mean '{}'?", nearest_name);
}

}  // namespace culvert::config
