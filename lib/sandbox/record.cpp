#include "sandbox/record.hpp"

#include <nlohmann/json.hpp>

namespace vibed::sandbox {
namespace {

using Json = nlohmann::json;

std::string_view word(Injected injected) {
  switch (injected) {
    case Injected::no: return "no";
    case Injected::begun: return "begun";
    case Injected::done: return "done";
  }
  return "no";
}

Injected parse_injected(const std::string& text) {
  if (text == "done") return Injected::done;
  return text == "begun" ? Injected::begun : Injected::no;
}

std::int64_t to_milliseconds(Time time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

}  // namespace

std::string to_json(const Record& record) {
  return Json{{"id", record.id},
              {"template", record.template_name},
              {"runtimeVersion", record.runtime_version},
              {"token", record.token},
              {"pid", record.inner_pid},
              {"startTime", record.inner_start},
              {"outerPid", record.outer_pid},
              {"outerStartTime", record.outer_start},
              {"uid", record.uid},
              {"cgroups", record.cgroups},
              {"limits",
               {{"memory", record.limits.memory},
                {"processes", record.limits.processes},
                {"cpus", record.limits.cpus}}},
              {"app", record.app},
              {"appUid", record.app_uid},
              {"label", record.label},
              {"generation", record.generation},
              {"injected", word(record.injected)},
              {"injectedAt", to_milliseconds(record.injected_at)}}
      .dump(2);
}

Result<Record> record_from_json(std::string_view json) {
  Json value = Json::parse(json, nullptr, false);
  if (!value.is_object()) return Error{Errc::invalid_argument, "state.json is not an object"};
  try {
    Record record;
    record.id = value.at("id");
    record.template_name = value.at("template");
    record.runtime_version = value.value("runtimeVersion", "");
    record.token = value.at("token");
    record.inner_pid = value.at("pid");
    record.inner_start = value.at("startTime");
    record.outer_pid = value.at("outerPid");
    record.outer_start = value.at("outerStartTime");
    record.uid = value.at("uid");
    record.cgroups = value.at("cgroups").get<std::vector<std::string>>();
    Json limits = value.value("limits", Json::object());  // absent in records of older vibeds
    record.limits = {limits.value("memory", std::int64_t{0}), limits.value("processes", 0),
                     limits.value("cpus", 0.0)};
    record.app = value.at("app");
    record.app_uid = value.at("appUid");
    record.label = value.at("label");
    record.generation = value.at("generation");
    record.injected = parse_injected(value.at("injected"));
    record.injected_at =
        Time(std::chrono::milliseconds(value.at("injectedAt").get<std::int64_t>()));
    return record;
  } catch (const Json::exception& error) {
    return Error{Errc::invalid_argument, std::string("state.json: ") + error.what()};
  }
}

}  // namespace vibed::sandbox
