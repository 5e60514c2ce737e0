#include "api/json.hpp"

#include <nlohmann/json.hpp>

#include "base/time.hpp"

namespace vibed::api {
namespace {

using Json = nlohmann::ordered_json;

// Log lines in messages are the app's own bytes, not always UTF-8.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void put(Json& json, const char* key, const std::string& value) {
  if (!value.empty()) json[key] = value;
}

Json runtime_of(const App& app) {
  Json runtime = Json::object();
  put(runtime, "lane", app.spec.lane);
  put(runtime, "template", app.spec.template_name);
  put(runtime, "version", app.status.runtime_version);
  return runtime;
}

// The newest generation on its way, or why it did not get there; nothing once it serves.
const Condition* progressing(const App& app) {
  const Condition* condition = find_condition(app.status, "Progressing");
  return app.spec.suspended ? nullptr : condition;
}

Json to_object(const App& app) {
  Json json{{"app_id", app.name}, {"phase", to_string(app.status.phase)}, {"name", app.name}};
  put(json, "owner", app.spec.owner);
  put(json, "url", app.status.url);
  if (Json runtime = runtime_of(app); !runtime.empty()) json["runtime"] = runtime;
  if (app.status.last_deployed_at) {
    json["last_deployed_at"] = to_rfc3339(*app.status.last_deployed_at);
  }
  if (const Condition* ready = find_condition(app.status, "Ready"); ready != nullptr) {
    put(json, "reason", ready->reason);
    put(json, "message", ready->message);
  }
  json["generation"] = app.generation;
  json["observed_generation"] = app.status.observed_generation;
  if (const Condition* moving = progressing(app); moving != nullptr) {
    Json part{{"status", moving->status}, {"reason", moving->reason}};
    put(part, "message", moving->message);
    part["generation"] = moving->observed_generation;
    json["progressing"] = part;
  }
  put(json, "start_command", app.status.start_command);
  return json;
}

Json to_object(const AppVersion& version) {
  Json json{{"version", version.version},
            {"timestamp", to_rfc3339(version.timestamp)},
            {"template", version.template_name},
            {"lane", version.lane},
            {"source_hash", version.source_hash}};
  if (version.rolled_back_from != 0) json["rolled_back_from"] = version.rolled_back_from;
  return json;
}

Json to_object(const TemplateStatus& status) {
  Json json{
      {"name", status.name},           {"lane", status.lane},   {"description", status.description},
      {"warm_pool_size", status.size}, {"ready", status.ready}, {"claimed", status.claimed},
      {"available", status.available}};
  put(json, "runtime_version", status.runtime_version);
  put(json, "message", status.message);
  return json;
}

template <class Items>
Json items_of(const Items& items) {
  Json array = Json::array();
  for (const auto& item : items) array.push_back(to_object(item));
  return array;
}

}  // namespace

Why why(const App& app) {
  const Condition* condition = progressing(app);
  if (condition == nullptr) condition = find_condition(app.status, "Ready");
  return condition == nullptr ? Why{} : Why{condition->reason, condition->message};
}

std::string app_json(const App& app) { return dump(to_object(app)); }

std::string page_json(const AppPage& page) {
  return dump(Json{{"items", items_of(page.items)}, {"total", page.total}});
}

std::string outcome_json(const DeployOutcome& outcome) {
  const App& app = outcome.app;
  if (outcome.ready) return dump(Json{{"app_id", app.name}, {"url", app.status.url}});
  Json json{{"app_id", app.name},
            {"status_url", "/v1/apps/" + app.name},
            {"phase", to_string(app.status.phase)}};
  Why cause = why(app);
  put(json, "reason", cause.reason);
  put(json, "message", cause.message);
  return dump(json);
}

std::string versions_json(const std::vector<AppVersion>& versions) {
  return dump(Json{{"items", items_of(versions)}});
}

std::string templates_json(const std::vector<TemplateStatus>& templates) {
  return dump(Json{{"items", items_of(templates)}});
}

}  // namespace vibed::api
