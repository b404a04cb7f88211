// Events as log lines. JSON objects have the event's own fields as text, beside time and level.
#include "daemon/event_log.h"

#include <fmt/chrono.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <nlohmann/json.hpp>

#include "trace/render.h"

namespace culvert {

namespace {

constexpr const char* kTextPattern = "%Y-%m-%d %H:%M:%S.%e %l: %v";

spdlog::level::level_enum spdlog_level(trace::Level level) {
  switch (level) {
    case trace::Level::error:
      return spdlog::level::err;
    case trace::Level::warning:
      return spdlog::level::warn;
    case trace::Level::info:
      return spdlog::level::info;
    case trace::Level::debug:
      return spdlog::level::debug;
    case trace::Level::trace:
      return spdlog::level::trace;
  }
  return spdlog::level::info;
}

nlohmann::ordered_json json_head(trace::Level level) {
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  return {{"time",
           fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                       fmt::gmtime(std::chrono::system_clock::to_time_t(now)), ms.count() % 1'000)},
          {"level", trace::name_of(level)}};
}

std::string json_text(const nlohmann::ordered_json& object) {
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_line(const trace::Event& event) {
  const auto& info = trace::info_of(event);
  auto object = json_head(info.level);
  object["event"] = info.name;
  if (!event.subject.connection.empty()) object["connection"] = event.subject.connection;
  if (!event.subject.child.empty()) object["child"] = event.subject.child;
  if (event.subject.ike_unique_id != 0) object["ike"] = event.subject.ike_unique_id;
  for (const auto& [name, value] : trace::fields_of(event)) object["fields"][name] = value;
  object["text"] = trace::sentence_of(event);
  return json_text(object);
}

}  // namespace

std::optional<trace::Level> parse_log_level(std::string_view text) {
  for (const auto level : {trace::Level::error, trace::Level::warning, trace::Level::info,
                           trace::Level::debug, trace::Level::trace})
    if (trace::name_of(level) == text) return level;
  return std::nullopt;
}

bool EventRate::admit(const trace::Event& event, std::chrono::steady_clock::time_point now) {
  // What belongs to a connection was caused by a peer that we know, or by ourselves.
  if (!event.subject.connection.empty()) return true;
  if (now - window_ >= std::chrono::seconds(1)) {
    window_ = now;
    counts_.fill(0);
  }
  if (counts_[event.body.index()] >= kPerSecond) {
    ++refused_;
    return false;
  }
  ++counts_[event.body.index()];
  return true;
}

EventLog::EventLog() : EventLog(std::make_shared<spdlog::sinks::stderr_sink_mt>()) {}

EventLog::EventLog(spdlog::sink_ptr sink) : logger_("culvertd", std::move(sink)) {
  logger_.flush_on(spdlog::level::trace);
  configure(trace::Level::info, false);
}

void EventLog::configure(trace::Level level, bool json) {
  json_ = json;
  logger_.set_level(spdlog_level(level));
  logger_.set_pattern(json ? "%v" : kTextPattern);
}

void EventLog::write(const trace::Event& event) {
  const auto level = spdlog_level(trace::info_of(event).level);
  if (!logger_.should_log(level)) return;
  const auto line = json_ ? json_line(event) : trace::text_of(event);
  logger_.log(level, std::string_view(line));
}

void EventLog::write(trace::Level level, const std::string& text) {
  if (!logger_.should_log(spdlog_level(level))) return;
  if (!json_) return logger_.log(spdlog_level(level), std::string_view(text));
  auto object = json_head(level);
  object["text"] = text;
  logger_.log(spdlog_level(level), std::string_view(json_text(object)));
}

}  // namespace culvert
