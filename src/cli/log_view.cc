// Owns the lines of the log. Every event is one line, whatever it holds.
#include "cli/log_view.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include "cli/text.h"

namespace culvert::cli {
namespace {

std::string one_line(std::string_view text) {
  std::string out = printable(text);
  std::ranges::replace(out, '\n', ' ');
  return out;
}

std::string with_arrow(std::string_view message) {
  constexpr std::string_view kSent = "sent ", kReceived = "received ";
  if (message.starts_with(kSent)) return fmt::format("--> {}", message.substr(kSent.size()));
  if (message.starts_with(kReceived))
    return fmt::format("<-- {}", message.substr(kReceived.size()));
  return fmt::format("    {}", message);
}

}  // namespace

std::string ladder_line(const vici::Message& event, std::chrono::milliseconds since_start) {
  const bool is_message = event.get("group") == "ENC";
  const std::string text = one_line(event.get("msg"));
  return fmt::format("{:>7.3f} s  {}", static_cast<double>(since_start.count()) / 1'000,
                     is_message ? with_arrow(text) : "    " + text);
}

std::string log_line(const vici::Message& event, std::chrono::sys_seconds now, bool colours) {
  std::string subject(event.get("ikesa-name"));
  if (const auto id = event.get("ikesa-uniqueid"); !id.empty()) subject += fmt::format("[{}]", id);
  if (!subject.empty()) subject += ' ';
  const auto time = std::chrono::system_clock::to_time_t(now);
  return fmt::format("{:%H:%M:%S} {} {}{}", fmt::localtime(time), one_line(event.get("group")),
                     coloured(one_line(subject), Colour::bold, colours),
                     one_line(event.get("msg")));
}

unsigned level_of(const vici::Message& event) {
  return static_cast<unsigned>(parse_count(event.get("level")).value_or(1));
}

std::string why_text(const vici::Message& answer) {
  const auto name = answer.get("connection");
  const std::string whose = name.empty() ? "peers of no connection" : one_line(name);
  if (answer.get("failed") != "yes") return whose + ": no failure is known";
  std::string text = whose;
  if (const auto child = answer.get("child"); !child.empty() && child != name)
    text += fmt::format(" child {}", one_line(child));
  if (const auto ago = parse_count(answer.get("ago")))
    text += fmt::format(", {} ago", age_text(*ago));
  return fmt::format("{}: {}", text, one_line(answer.get("text")));
}

}  // namespace culvert::cli
