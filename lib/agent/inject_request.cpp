#include "agent/inject_request.hpp"

#include <array>
#include <optional>

#include <nlohmann/json.hpp>

namespace vibed::agent {
namespace {

using Json = nlohmann::json;

Error bad(std::string message) { return {Errc::invalid_argument, std::move(message)}; }

Result<Json> parse_object(std::string_view text) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return bad("invalid JSON body: not JSON");
  if (!json.is_object()) return bad("invalid JSON body: not an object");
  return json;
}

// Each reads the member `name` if it is there and not null. False: it has another type.
bool read(const Json& json, const char* name, std::string& value) {
  auto at = json.find(name);
  if (at == json.end() || at->is_null()) return true;
  if (!at->is_string()) return false;
  value = at->get<std::string>();
  return true;
}

bool read(const Json& json, const char* name, std::int64_t& value) {
  auto at = json.find(name);
  if (at == json.end() || at->is_null()) return true;
  if (!at->is_number_integer()) return false;
  value = at->get<std::int64_t>();
  return true;
}

bool read(const Json& json, const char* name, int& port) {
  std::int64_t value = 0;
  if (!read(json, name, value) || value < 0 || value > 65535) return false;
  port = static_cast<int>(value);
  return true;
}

bool read(const Json& json, const char* name, std::map<std::string, std::string>& values) {
  auto at = json.find(name);
  if (at == json.end() || at->is_null()) return true;
  if (!at->is_object()) return false;
  for (const auto& [key, value] : at->items()) {
    if (!value.is_string()) return false;
    values[key] = value.get<std::string>();
  }
  return true;
}

bool read(const Json& json, const char* name, std::vector<std::string>& values) {
  auto at = json.find(name);
  if (at == json.end() || at->is_null()) return true;
  if (!at->is_array()) return false;
  for (const Json& value : *at) {
    if (!value.is_string()) return false;
    values.push_back(value.get<std::string>());
  }
  return true;
}

// exec would silently cut these off.
bool is_environment(const Environment& env) {
  for (const auto& [name, value] : env) {
    if (name.empty() || name.find('=') != std::string::npos) return false;
    if (name.find('\0') != std::string::npos || value.find('\0') != std::string::npos) return false;
  }
  return true;
}

}  // namespace

Result<InjectRequest> parse_inject_request(std::string_view text) {
  if (text.empty()) return bad("the header X-Vibed-Inject is missing");
  auto json = parse_object(text);
  if (!json) return bad("X-Vibed-Inject: not a JSON object");
  InjectRequest request;
  bool good = read(*json, "token", request.token) &&
              read(*json, "generation", request.generation) &&
              read(*json, "entrypoint", request.entrypoint) && read(*json, "env", request.env) &&
              read(*json, "port", request.port) && read(*json, "source_url", request.source_url);
  if (!good) return bad("X-Vibed-Inject: a member has a wrong type or value");
  if (!is_environment(request.env)) return bad("X-Vibed-Inject: not an environment");
  return request;
}

Result<PullRequest> parse_pull_request(std::string_view body) {
  auto json = parse_object(body);
  if (!json) return std::move(json).error();
  PullRequest request;
  bool good = read(*json, "language", request.language) && read(*json, "files", request.files) &&
              read(*json, "source_url", request.source_url) &&
              read(*json, "command", request.command) && read(*json, "env", request.env) &&
              read(*json, "port", request.port);
  if (!good) return bad("invalid JSON body: a member has a wrong type or value");
  if (!is_environment(request.env)) return bad("invalid JSON body: not an environment");
  if (request.files.empty() && request.source_url.empty())
    return bad("either files or source_url is required");
  if (!request.files.empty() && !request.source_url.empty())
    return bad("files and source_url are mutually exclusive");
  for (const auto& [path, text] : request.files) {
    if (!is_inline_path(path)) return bad("illegal file path \"" + path + "\"");
  }
  return request;
}

Result<std::vector<std::string>> derived_command(const PullRequest& request) {
  if (!request.command.empty()) return request.command;
  auto with = [&](const char* program, const std::array<const char*, 4>& names) {
    for (const char* name : names) {
      if (request.files.contains(name)) return std::vector<std::string>{program, name};
    }
    return std::vector<std::string>{program, names.front()};
  };
  if (request.language == "python")
    return with("python", {"app.py", "main.py", "server.py", "run.py"});
  if (request.language == "nodejs")
    return with("node", {"index.js", "server.js", "app.js", "main.js"});
  return bad("no run command: language \"" + request.language +
             "\" is not runnable on the fast path and no explicit command was given");
}

bool is_inline_path(std::string_view path) {
  if (path.empty() || path.size() > 1024 || path.front() == '/') return false;
  if (path.find('\0') != std::string_view::npos) return false;
  while (true) {
    std::size_t slash = path.find('/');
    std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace vibed::agent
