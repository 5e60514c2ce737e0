#include "base/log.hpp"

#include <atomic>
#include <memory>

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <nlohmann/json.hpp>

namespace vibed::log {
namespace {

std::atomic<Format> chosen_format{Format::text};

spdlog::level::level_enum level_of(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warn: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
    case Level::off: return spdlog::level::off;
  }
  return spdlog::level::off;
}

// Ours, because spdlog says "warning".
std::string_view name_of(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warn: return "warn";
    case Level::error: return "error";
    case Level::off: return "off";
  }
  return "";
}

std::unique_ptr<spdlog::formatter> formatter_of(Format format) {
  const char* pattern = format == Format::json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%FZ",%v})"
                                               : "%Y-%m-%dT%H:%M:%S.%eZ %v";
  return std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc, "\n");
}

// Never destroyed: a thread may log while the program ends. Each line is one write to stderr, so
// that lines of several threads and processes do not mix.
spdlog::logger& logger() {
  static spdlog::logger* const made = [] {
    auto* fresh = new spdlog::logger("vibed", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    fresh->set_level(spdlog::level::warn);
    fresh->set_formatter(formatter_of(Format::text));
    return fresh;
  }();
  return *made;
}

std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Quoted only where a space or a control character would make the line ambiguous.
std::string text_value(const std::string& value) {
  bool plain = !value.empty();
  for (char c : value) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '=') plain = false;
  }
  if (plain) return value;
  return json_string(value);
}

std::string text_of(Level level, std::string_view message, Fields fields) {
  std::string text(name_of(level));
  text.append(" ").append(message);
  for (const auto& [key, value] : fields) {
    text.append(" ").append(key).append("=").append(text_value(value));
  }
  return text;
}

// The members of the line's object after its time.
std::string members_of(Level level, std::string_view message, Fields fields) {
  std::string text =
      "\"level\":" + json_string(name_of(level)) + ",\"msg\":" + json_string(message);
  for (const auto& [key, value] : fields) {
    text.append(",").append(json_string(key)).append(":").append(json_string(value));
  }
  return text;
}

void write(Level level, std::string_view message, Fields fields) {
  if (!logger().should_log(level_of(level))) return;
  std::string line = chosen_format.load(std::memory_order_relaxed) == Format::json
                         ? members_of(level, message, fields)
                         : text_of(level, message, fields);
  logger().log(level_of(level), spdlog::string_view_t(line));
}

}  // namespace

void configure(Level level, Format format) {
  chosen_format = format;
  logger().set_level(level_of(level));
  logger().set_formatter(formatter_of(format));
}

void debug(std::string_view message, Fields fields) { write(Level::debug, message, fields); }
void info(std::string_view message, Fields fields) { write(Level::info, message, fields); }
void warn(std::string_view message, Fields fields) { write(Level::warn, message, fields); }
void error(std::string_view message, Fields fields) { write(Level::error, message, fields); }

}  // namespace vibed::log
