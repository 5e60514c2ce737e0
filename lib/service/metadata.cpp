// The metadata of a deploy: what a stranger sends, checked field by field.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error_codes.hpp"
#include "base/time.hpp"
#include "service/service.hpp"

namespace vibed {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxBytes = 1024 * 1024;  // an environment may be written with many escapes
constexpr std::size_t kMaxVariables = 256;
constexpr std::size_t kMaxVariableName = 256;
constexpr std::size_t kMaxVariableValue = 120 * 1024;  // exec takes 128 KiB, name included
constexpr std::size_t kMaxEnv = 256 * 1024;            // names and values
constexpr std::size_t kMaxHosts = 256;
constexpr std::size_t kMaxHost = 253;
constexpr std::size_t kMaxHostPart = 63;
constexpr std::size_t kMaxEntrypoint = 4096;
constexpr std::size_t kMaxTemplate = 253;

Error bad(const std::string& what) { return make_error("bad_metadata", "metadata: " + what); }

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

// What a shell can name a variable.
bool is_variable_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxVariableName || is_digit(name[0])) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
}

bool is_host_part(std::string_view part) {
  if (part.empty() || part.size() > kMaxHostPart) return false;
  if (part.front() == '-' || part.back() == '-') return false;
  return std::all_of(part.begin(), part.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_'; });
}

// A host name or IPv4 address, "*.example.org" for everything below a name; a port and a final dot
// may follow.
bool is_host(std::string_view host) {
  std::size_t colon = host.find(':');
  if (colon != std::string_view::npos) {
    std::string_view port = host.substr(colon + 1);
    if (port.empty() || port.size() > 5 || !std::all_of(port.begin(), port.end(), is_digit)) {
      return false;
    }
    host = host.substr(0, colon);
  }
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.starts_with("*.")) host.remove_prefix(2);
  if (host.empty() || host.size() > kMaxHost) return false;
  for (;;) {
    std::size_t dot = host.find('.');
    if (!is_host_part(host.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    host.remove_prefix(dot + 1);
  }
}

// The field, or nullptr when it is absent or null.
const Json* find(const Json& object, const char* key) {
  auto at = object.find(key);
  return at == object.end() || at->is_null() ? nullptr : &*at;
}

Status read_text(const Json& object, const char* key, std::string& into) {
  const Json* value = find(object, key);
  if (value == nullptr) return success();
  if (!value->is_string()) return bad(std::string(key) + " is not a text");
  into = value->get<std::string>();
  return success();
}

// The object at `key`, or an empty one.
Result<Json> read_object(const Json& object, const char* key) {
  const Json* value = find(object, key);
  if (value == nullptr) return Json::object();
  if (!value->is_object()) return bad(std::string(key) + " is not an object");
  return *value;
}

Status read_runtime(const Json& runtime, DeployMetadata& metadata) {
  std::string lane;
  if (Status done = read_text(runtime, "lane", lane); !done) return done;
  if (Status done = read_text(runtime, "template", metadata.template_name); !done) return done;
  if (Status done = read_text(runtime, "entrypoint", metadata.entrypoint); !done) return done;
  if (!lane.empty()) {
    auto parsed = parse_lane(lane);
    if (!parsed) return bad("runtime.lane is \"fast\" or \"general\"");
    metadata.lane = *parsed;
  }
  if (metadata.template_name.size() > kMaxTemplate || has_control(metadata.template_name)) {
    return bad("runtime.template is not a template's name");
  }
  const std::string& entrypoint = metadata.entrypoint;
  if (entrypoint.size() > kMaxEntrypoint || has_control(entrypoint)) {
    return bad("runtime.entrypoint is longer than 4096 bytes or not one line");
  }
  return success();
}

Status read_variable(const Json& json, const std::string& where, EnvVar& variable) {
  if (!json.is_object()) return bad(where + " is not an object");
  if (Status done = read_text(json, "name", variable.name); !done) return bad(where + ".name");
  if (Status done = read_text(json, "value", variable.value); !done) {
    return bad(where + ".value is not a text");
  }
  if (!is_variable_name(variable.name)) {
    return bad(where + ".name is not letters, digits and '_', beginning with no digit");
  }
  if (variable.value.size() > kMaxVariableValue) {
    return make_error("env_too_large", "metadata: " + where + ".value is over 120 KiB");
  }
  if (variable.value.find('\0') != std::string::npos) return bad(where + ".value has a NUL");
  return success();
}

Status check_size(const std::vector<EnvVar>& env) {
  std::size_t bytes = 0;
  for (const EnvVar& variable : env) bytes += variable.name.size() + variable.value.size();
  if (bytes <= kMaxEnv) return success();
  return make_error("env_too_large", "metadata: env has " + std::to_string(bytes) +
                                         " bytes; names and values may have 256 KiB in all");
}

Status read_env(const Json& object, DeployMetadata& metadata) {
  const Json* env = find(object, "env");
  if (env == nullptr) return success();
  if (!env->is_array()) return bad("env is not a list");
  if (env->size() > kMaxVariables) return bad("env has more than 256 variables");
  for (const Json& json : *env) {
    EnvVar variable;
    std::string where = "env[" + std::to_string(metadata.env.size()) + "]";
    if (Status done = read_variable(json, where, variable); !done) return done;
    metadata.env.push_back(std::move(variable));
  }
  return check_size(metadata.env);
}

Status read_hosts(const Json& egress, DeployMetadata& metadata) {
  const Json* hosts = find(egress, "allowed_hosts");
  if (hosts == nullptr) return success();
  if (!hosts->is_array()) return bad("egress.allowed_hosts is not a list");
  if (hosts->size() > kMaxHosts) return bad("egress.allowed_hosts has more than 256 hosts");
  for (const Json& json : *hosts) {
    bool valid = json.is_string() && is_host(json.get_ref<const std::string&>());
    if (!valid) {
      return bad("egress.allowed_hosts[" + std::to_string(metadata.allowed_hosts.size()) +
                 "] is not a host name");
    }
    metadata.allowed_hosts.push_back(json.get<std::string>());
  }
  return success();
}

Status read_ttl(const Json& object, DeployMetadata& metadata) {
  if (Status done = read_text(object, "ttl", metadata.ttl); !done) return done;
  if (metadata.ttl.empty() || parse_duration(metadata.ttl)) return success();
  return bad("ttl is not a duration such as 90s or 1h30m");
}

Status read_name(const Json& object, const std::string& default_name, DeployMetadata& metadata) {
  // A redeploy's path names the app; what the JSON says then does not even have to be a text.
  if (default_name.empty()) {
    if (Status done = read_text(object, "name", metadata.name); !done) return done;
    if (metadata.name.empty()) return make_error("missing_name", "metadata.name is missing");
  } else {
    metadata.name = default_name;
  }
  if (is_app_name(metadata.name)) return success();
  return make_error("bad_name",
                    "the name must be 1 to 63 of a-z, 0-9 and '-', and begin and end with a letter "
                    "or digit");
}

}  // namespace

Result<DeployMetadata> parse_deploy_metadata(std::string_view json,
                                             const std::string& default_name) {
  if (json.size() > kMaxBytes) return bad("it is larger than 1 MiB");
  Json object = json.empty() ? Json::object() : Json::parse(json, nullptr, false);
  if (!object.is_object()) return bad("it is not a JSON object");
  DeployMetadata metadata;
  if (Status done = read_name(object, default_name, metadata); !done) return done.error();
  auto runtime = read_object(object, "runtime");
  if (!runtime) return std::move(runtime).error();
  if (Status done = read_runtime(*runtime, metadata); !done) return done.error();
  auto egress = read_object(object, "egress");
  if (!egress) return std::move(egress).error();
  if (Status done = read_hosts(*egress, metadata); !done) return done.error();
  if (Status done = read_env(object, metadata); !done) return done.error();
  if (Status done = read_ttl(object, metadata); !done) return done.error();
  return metadata;
}

}  // namespace vibed
