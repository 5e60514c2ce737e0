#include "agent/agent_config.hpp"

#include <charconv>
#include <optional>

#include <nlohmann/json.hpp>

namespace vibed::agent {
namespace {

std::string text_of(const Environment& environment, const std::string& name,
                    const std::string& otherwise) {
  auto at = environment.find(name);
  return at == environment.end() || at->second.empty() ? otherwise : at->second;
}

std::optional<std::int64_t> number_of(const Environment& environment, const std::string& name) {
  auto at = environment.find(name);
  if (at == environment.end()) return std::nullopt;
  const std::string& text = at->second;
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value <= 0) return std::nullopt;
  return value;
}

Result<int> descriptor_of(const Environment& environment, const std::string& name) {
  if (text_of(environment, name, "").empty()) return -1;
  auto value = number_of(environment, name);
  if (!value || *value < 3 || *value > 1023)
    return Error{Errc::invalid_argument, name + " is not a descriptor's number"};
  return static_cast<int>(*value);
}

Status read_link_trees(const std::string& text, AgentConfig& config) {
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t comma = std::min(text.find(',', at), text.size());
    std::string one = text.substr(at, comma - at);
    std::size_t equals = one.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == one.size())
      return Error{Errc::invalid_argument, "VIBED_AGENT_LINK_TREES: not from=to: " + one};
    config.link_trees.emplace_back(one.substr(0, equals), one.substr(equals + 1));
    at = comma + 1;
  }
  return success();
}

// A JSON list, because an argument may have anything in it.
Result<std::vector<std::string>> command_of(const Environment& environment,
                                            const std::string& name) {
  std::vector<std::string> command;
  std::string text = text_of(environment, name, "[]");
  auto list = nlohmann::json::parse(text, nullptr, false);
  bool good = list.is_array();
  for (std::size_t i = 0; good && i < list.size(); ++i) {
    good = list[i].is_string();
    if (good) command.push_back(list[i].get<std::string>());
  }
  if (!good) return Error{Errc::invalid_argument, name + " is not a JSON list of strings"};
  return command;
}

}  // namespace

Result<AgentConfig> agent_config(const Environment& environment) {
  AgentConfig config;
  auto control = descriptor_of(environment, "VIBED_AGENT_CONTROL_FD");
  if (!control) return std::move(control).error();
  auto relay = descriptor_of(environment, "VIBED_AGENT_RELAY_FD");
  if (!relay) return std::move(relay).error();
  config.control_fd = *control;
  config.relay_fd = *relay;
  config.control_address = text_of(environment, "VIBED_AGENT_CONTROL_ADDR", config.control_address);
  config.relay_address = text_of(environment, "VIBED_AGENT_RELAY_ADDR", "");
  config.workdir = text_of(environment, "VIBED_AGENT_WORKDIR", config.workdir);
  config.spool_directory = text_of(environment, "VIBED_AGENT_SPOOL_DIR", config.spool_directory);
  config.authorities = text_of(environment, "SSL_CERT_FILE", "");
  config.template_name = text_of(environment, "VIBED_TEMPLATE_NAME", "");
  config.language = text_of(environment, "VIBED_TEMPLATE_LANGUAGE", "");
  config.runtime_probe = text_of(environment, "VIBED_RUNTIME_PROBE", "");
  config.token = text_of(environment, "VIBED_AGENT_TOKEN", "");
  config.require_auth = text_of(environment, "VIBED_AGENT_REQUIRE_AUTH", "") == "true";
  auto port = number_of(environment, "VIBED_AGENT_APP_PORT");
  if (port && *port < 65536) config.app_port = static_cast<int>(*port);
  auto lines = number_of(environment, "VIBED_AGENT_LOG_LINES");
  if (lines && *lines <= 1'000'000) config.log_lines = static_cast<int>(*lines);
  config.limit_processes = number_of(environment, "VIBED_AGENT_LIMIT_PROCESSES").value_or(0);
  config.limit_data = number_of(environment, "VIBED_AGENT_LIMIT_DATA").value_or(0);
  Status trees = read_link_trees(text_of(environment, "VIBED_AGENT_LINK_TREES", ""), config);
  if (!trees) return std::move(trees).error();
  auto parked = command_of(environment, "VIBED_AGENT_PARKED");
  if (!parked) return std::move(parked).error();
  config.parked = *std::move(parked);
  for (const auto& [name, value] : environment) {
    if (!name.starts_with("VIBED_")) config.app_environment[name] = value;
  }
  return config;
}

Environment app_environment(const AgentConfig& config, const Environment& plan,
                            const Environment& request, int port) {
  Environment result = config.app_environment;
  result.try_emplace("HOME", config.workdir);
  result["HOST"] = "0.0.0.0";
  for (const auto& [name, value] : plan) result[name] = value;
  for (const auto& [name, value] : request) result[name] = value;
  result["PORT"] = std::to_string(port);
  return result;
}

}  // namespace vibed::agent
