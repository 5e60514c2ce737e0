// App → the JSON of a VibedApp custom resource.
#include "app/app_json.hpp"
#include "base/time.hpp"

namespace vibed {
namespace {

using Json = nlohmann::json;

// Log lines end up in messages, so bytes that are no UTF-8 must not throw.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void put_text(Json& json, const char* key, const std::string& value) {
  if (!value.empty()) json[key] = value;
}

Json version_json(const AppVersion& version) {
  Json json = {{"version", version.version},        {"timestamp", to_rfc3339(version.timestamp)},
               {"template", version.template_name}, {"lane", version.lane},
               {"sourceHash", version.source_hash}, {"tarballKey", version.source_key},
               {"tarballRef", version.source_key}};
  if (version.rolled_back_from != 0) json["rolledBackFrom"] = version.rolled_back_from;
  return json;
}

Json metadata_json(const App& app) {
  Json json = {{"name", app.name},
               {"namespace", app.space},
               {"uid", app.uid},
               {"generation", app.generation},
               {"resourceVersion", std::to_string(app.resource_version)},
               {"creationTimestamp", to_rfc3339(app.created_at)}};
  if (app.removed_at) json["deletionTimestamp"] = to_rfc3339(*app.removed_at);
  if (!app.labels.empty()) json["labels"] = app.labels;
  if (!app.versions.empty()) {
    json["annotations"] = {{kVersionsAnnotation, versions_text(app.versions)}};
  }
  return json;
}

Json condition_json(const Condition& condition) {
  Json json = {{"type", condition.type},
               {"status", condition.status ? "True" : "False"},
               {"reason", condition.reason},
               {"message", condition.message},
               {"lastTransitionTime", to_rfc3339(condition.last_transition_time)}};
  if (condition.observed_generation != 0) {
    json["observedGeneration"] = condition.observed_generation;
  }
  return json;
}

}  // namespace

std::string versions_text(const std::vector<AppVersion>& versions) {
  Json list = Json::array();
  for (const AppVersion& version : versions) list.push_back(version_json(version));
  return dump(list);
}

Json spec_json(const AppSpec& spec) {
  Json source = Json::object();
  put_text(source, "tarballRef", spec.source);
  put_text(source, "gitRef", spec.git_ref);
  Json runtime = {{"lane", spec.lane}};
  put_text(runtime, "template", spec.template_name);
  put_text(runtime, "entrypoint", spec.entrypoint);
  for (const EnvVar& var : spec.env) {
    runtime["env"].push_back({{"name", var.name}, {"value", var.value}});
  }
  Json json = {{"owner", spec.owner},
               {"source", std::move(source)},
               {"runtime", std::move(runtime)},
               {"resources", {{"cpu", spec.cpu}, {"memory", spec.memory}}},
               {"ttl", spec.ttl}};
  if (!spec.allowed_hosts.empty()) json["egress"] = {{"allowedHosts", spec.allowed_hosts}};
  if (spec.suspended) json["suspended"] = true;
  return json;
}

Json status_json(const AppStatus& status) {
  Json json = Json::object();
  put_text(json, "phase", std::string(to_string(status.phase)));
  put_text(json, "url", status.url);
  put_text(json, "sandboxRef", status.sandbox_ref);
  put_text(json, "podIP", status.pod_ip);
  put_text(json, "routeTarget", status.route_target);
  put_text(json, "runtimeVersion", status.runtime_version);
  put_text(json, "startCommand", status.start_command);
  if (status.last_deployed_at) json["lastDeployedAt"] = to_rfc3339(*status.last_deployed_at);
  if (status.observed_generation != 0) json["observedGeneration"] = status.observed_generation;
  for (const Condition& condition : status.conditions) {
    json["conditions"].push_back(condition_json(condition));
  }
  return json;
}

std::string to_json(const App& app) {
  return dump({{"apiVersion", "vibed.dev/v1alpha1"},
               {"kind", "VibedApp"},
               {"metadata", metadata_json(app)},
               {"spec", spec_json(app.spec)},
               {"status", status_json(app.status)}});
}

}  // namespace vibed
