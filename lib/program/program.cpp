#include "vibed/program.hpp"

#include <unistd.h>

#include <cstdio>
#include <exception>

#include "base/error_codes.hpp"
#include "base/log.hpp"
#include "program/parser.hpp"
#include "program/signals.hpp"

namespace vibed {
namespace {

std::map<std::string, std::string> environment_of_the_process() {
  std::map<std::string, std::string> result;
  for (char** item = environ; *item != nullptr; ++item) {
    const std::string_view text(*item);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) {
      result.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return result;
}

Result<log::Level> parse_level(const std::string& text) {
  if (text == "debug") return log::Level::debug;
  if (text == "info") return log::Level::info;
  if (text == "warn") return log::Level::warn;
  if (text == "error") return log::Level::error;
  return usage_error("--log-level is debug, info, warn or error, not " + text);
}

Status configure_log(const Config& config) {
  auto level = parse_level(config.server.log_level);
  if (!level) return std::move(level).error();
  const std::string& format = config.server.log_format;
  if (format != "text" && format != "json") {
    return usage_error("--log-format is text or json, not " + format);
  }
  log::configure(*level, format == "json" ? log::Format::json : log::Format::text);
  return success();
}

Status prepare(const Command& command, Invocation& invocation) {
  if (!command.takes_config) return success();
  auto config = load_config(invocation.text("config"), invocation.environment);
  if (!config) return std::move(config).error();
  invocation.config = std::move(*config);
  auto& server = invocation.config.server;
  server.log_level = invocation.text("log-level", server.log_level);
  server.log_format = invocation.text("log-format", server.log_format);
  return configure_log(invocation.config);
}

Status run(const Command& command, Invocation& invocation) {
  if (command.serves) program::block_stop_signals();
  if (auto prepared = prepare(command, invocation); !prepared) return prepared;
  try {
    return command.run(invocation);
  } catch (const std::exception& error) {
    return Error{Errc::internal, std::string("unexpected: ") + error.what()};
  }
}

Exit exit_of(const Error& error) {
  if (error.reason == "unreachable") return Exit::unreachable;
  if (error.reason == "bad_usage" || error.reason == "bad_config") return Exit::usage;
  return Exit::failed;
}

}  // namespace

bool Invocation::has(const std::string& name) const { return values.contains(name); }

std::string Invocation::text(const std::string& name, const std::string& otherwise) const {
  const auto at = values.find(name);
  return at == values.end() || at->second.empty() ? otherwise : at->second.back();
}

std::vector<std::string> Invocation::all(const std::string& name) const {
  const auto at = values.find(name);
  return at == values.end() ? std::vector<std::string>() : at->second;
}

std::string Invocation::variable(const std::string& name) const {
  const auto at = environment.find(name);
  return at == environment.end() ? "" : at->second;
}

Error usage_error(std::string message) { return make_error("bad_usage", std::move(message)); }

int run_program(const Program& program, int argc, const char* const* argv) {
  std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  auto parsed = program::parse(program, arguments);
  if (const auto* printed = std::get_if<program::Printed>(&parsed)) {
    std::fputs(printed->text.c_str(), printed->status == Exit::ok ? stdout : stderr);
    return static_cast<int>(printed->status);
  }
  auto& chosen = std::get<program::Chosen>(parsed);
  chosen.invocation.program = argc > 0 ? argv[0] : program.name;
  chosen.invocation.environment = environment_of_the_process();
  const Status done = run(*chosen.command, chosen.invocation);
  std::fflush(stdout);
  if (done) return static_cast<int>(Exit::ok);
  const Error& error = done.error();
  if (!error.message.empty()) {
    std::fprintf(stderr, "%s: %s\n", program.name.c_str(), error.message.c_str());
  }
  return static_cast<int>(exit_of(error));
}

}  // namespace vibed
