// The JSON of a VibedApp custom resource → App.
#include <charconv>

#include "app/app_json.hpp"
#include "base/time.hpp"

namespace vibed {
namespace {

using Json = nlohmann::json;

// Reads fields of nested objects and remembers the first thing that was wrong, so that the code
// that names the fields needs no branches.
class Reader {
 public:
  // The object at `key`: an empty one when it is absent.
  const Json& object(const Json& in, const char* key, bool required = false) {
    const Json* value = find(in, key, required);
    if (value == nullptr) return empty_;
    return value->is_object() ? *value : (fail(key, "an object"), empty_);
  }

  const Json& array(const Json& in, const char* key) {
    const Json* value = find(in, key, false);
    if (value == nullptr) return empty_array_;
    return value->is_array() ? *value : (fail(key, "a list"), empty_array_);
  }

  std::string text(const Json& in, const char* key, bool required = false,
                   const char* fallback = "") {
    const Json* value = find(in, key, required);
    if (value == nullptr) return fallback;
    return value->is_string() ? value->get<std::string>() : (fail(key, "a text"), fallback);
  }

  std::int64_t number(const Json& in, const char* key) {
    const Json* value = find(in, key, false);
    if (value == nullptr) return 0;
    if (value->is_number_integer() && !(value->is_number_unsigned() && *value > kMax)) {
      return value->get<std::int64_t>();
    }
    return fail(key, "a whole number"), 0;
  }

  // A number that Kubernetes writes as text.
  std::int64_t number_text(const Json& in, const char* key) {
    std::string digits = text(in, key);
    if (digits.empty()) return 0;
    std::int64_t value = 0;
    const char* end = digits.data() + digits.size();
    auto [at, error] = std::from_chars(digits.data(), end, value);
    if (error == std::errc() && at == end) return value;
    return fail(key, "a whole number"), 0;
  }

  bool flag(const Json& in, const char* key) {
    const Json* value = find(in, key, false);
    if (value == nullptr) return false;
    return value->is_boolean() ? value->get<bool>() : (fail(key, "true or false"), false);
  }

  std::optional<Time> time(const Json& in, const char* key) {
    std::string written = text(in, key);
    if (written.empty()) return std::nullopt;
    auto parsed = parse_rfc3339(written);
    if (!parsed) fail(key, "an RFC 3339 time");
    return parsed;
  }

  void fail(const std::string& key, const char* wanted) {
    if (problem_.empty()) problem_ = key + " is not " + wanted;
  }

  const std::string& problem() const { return problem_; }

 private:
  static constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();

  const Json* find(const Json& in, const char* key, bool required) {
    auto at = in.is_object() ? in.find(key) : in.end();
    if (at != in.end() && !at->is_null()) return &*at;
    if (required && problem_.empty()) problem_ = std::string(key) + " is missing";
    return nullptr;
  }

  const Json empty_ = Json::object();
  const Json empty_array_ = Json::array();
  std::string problem_;
};

std::vector<AppVersion> read_versions(Reader& reader, const std::string& annotation) {
  std::vector<AppVersion> versions;
  if (annotation.empty()) return versions;
  Json list = Json::parse(annotation, nullptr, false);
  if (!list.is_array()) reader.fail(kVersionsAnnotation, "a JSON list");
  if (!list.is_array()) return versions;
  for (const Json& json : list) {
    AppVersion version;
    version.version = reader.number(json, "version");
    version.timestamp = reader.time(json, "timestamp").value_or(Time{});
    version.template_name = reader.text(json, "template");
    version.lane = reader.text(json, "lane");
    version.source_hash = reader.text(json, "sourceHash");
    version.source_key = reader.text(json, "tarballKey");
    // Records from before keys were kept have only the reference.
    if (version.source_key.empty()) version.source_key = reader.text(json, "tarballRef");
    version.rolled_back_from = reader.number(json, "rolledBackFrom");
    versions.push_back(std::move(version));
  }
  return versions;
}

void read_metadata(Reader& reader, const Json& json, App& app) {
  app.name = reader.text(json, "name", true);
  app.space = reader.text(json, "namespace");
  app.uid = reader.text(json, "uid");
  app.generation = reader.number(json, "generation");
  app.resource_version = reader.number_text(json, "resourceVersion");
  app.created_at = reader.time(json, "creationTimestamp").value_or(Time{});
  app.removed_at = reader.time(json, "deletionTimestamp");
  const Json& labels = reader.object(json, "labels");
  for (const auto& item : labels.items()) {
    app.labels[item.key()] = reader.text(labels, item.key().c_str());
  }
  const Json& annotations = reader.object(json, "annotations");
  app.versions = read_versions(reader, reader.text(annotations, kVersionsAnnotation));
}

void read_runtime(Reader& reader, const Json& json, AppSpec& spec) {
  spec.lane = reader.text(json, "lane", true);
  if (!spec.lane.empty() && spec.lane != "fast" && spec.lane != "general") {
    reader.fail("lane", "\"fast\" or \"general\"");
  }
  spec.template_name = reader.text(json, "template");
  spec.entrypoint = reader.text(json, "entrypoint");
  for (const Json& var : reader.array(json, "env")) {
    spec.env.push_back({reader.text(var, "name", true), reader.text(var, "value")});
  }
}

AppSpec read_spec(Reader& reader, const Json& json) {
  AppSpec spec;
  spec.owner = reader.text(json, "owner", true);
  const Json& source = reader.object(json, "source", true);
  spec.source = reader.text(source, "tarballRef");
  spec.git_ref = reader.text(source, "gitRef");
  read_runtime(reader, reader.object(json, "runtime", true), spec);
  for (const Json& host : reader.array(reader.object(json, "egress"), "allowedHosts")) {
    if (!host.is_string()) reader.fail("allowedHosts", "a list of texts");
    if (host.is_string()) spec.allowed_hosts.push_back(host.get<std::string>());
  }
  const Json& resources = reader.object(json, "resources");
  spec.cpu = reader.text(resources, "cpu", false, "500m");
  spec.memory = reader.text(resources, "memory", false, "256Mi");
  spec.ttl = reader.text(json, "ttl", false, "30m");
  spec.suspended = reader.flag(json, "suspended");
  return spec;
}

AppStatus read_status(Reader& reader, const Json& json) {
  AppStatus status;
  auto phase = parse_phase(reader.text(json, "phase"));
  if (!phase) reader.fail("phase", "a phase");
  if (phase) status.phase = *phase;
  status.url = reader.text(json, "url");
  status.sandbox_ref = reader.text(json, "sandboxRef");
  status.pod_ip = reader.text(json, "podIP");
  status.route_target = reader.text(json, "routeTarget");
  status.runtime_version = reader.text(json, "runtimeVersion");
  status.start_command = reader.text(json, "startCommand");
  status.last_deployed_at = reader.time(json, "lastDeployedAt");
  status.observed_generation = reader.number(json, "observedGeneration");
  for (const Json& item : reader.array(json, "conditions")) {
    Condition condition;
    condition.type = reader.text(item, "type", true);
    condition.status = reader.text(item, "status", true) == "True";
    condition.reason = reader.text(item, "reason");
    condition.message = reader.text(item, "message");
    condition.last_transition_time = reader.time(item, "lastTransitionTime").value_or(Time{});
    condition.observed_generation = reader.number(item, "observedGeneration");
    status.conditions.push_back(std::move(condition));
  }
  return status;
}

}  // namespace

Result<App> app_from_json(std::string_view json) {
  return app_of(Json::parse(json, nullptr, false));
}

Result<App> app_of(const Json& object) {
  if (!object.is_object()) return Error{Errc::invalid_argument, "an app is not a JSON object"};
  Reader reader;
  App app;
  read_metadata(reader, reader.object(object, "metadata", true), app);
  app.spec = read_spec(reader, reader.object(object, "spec", true));
  app.status = read_status(reader, reader.object(object, "status"));
  if (!reader.problem().empty()) {
    return Error{Errc::invalid_argument, "app \"" + app.name + "\": " + reader.problem()};
  }
  return app;
}

}  // namespace vibed
