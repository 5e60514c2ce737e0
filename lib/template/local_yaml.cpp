#include "template/local_yaml.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error_codes.hpp"
#include "config/values.hpp"
#include "config/yaml.hpp"

namespace vibed::templates {
namespace {

using nlohmann::json;

Error wrong(const std::string& message) { return make_error("bad_config", message); }

// Reads the keys of one mapping; remembers the first thing that was wrong with it.
class Fields {
 public:
  Fields(const json& object, std::string where) : object_(object), where_(std::move(where)) {}

  void text(const char* key, std::string& place) {
    if (const json* value = take(key, &json::is_string)) place = value->get<std::string>();
  }
  void flag(const char* key, bool& place) {
    if (const json* value = take(key, &json::is_boolean)) place = value->get<bool>();
  }
  void number(const char* key, int& place, int most) {
    const json* value = take(key, &json::is_number_integer);
    if (value == nullptr) return;
    auto number = value->get<std::int64_t>();
    if (number < 0 || number > most) return fail(key);
    place = static_cast<int>(number);
  }
  void texts(const char* key, std::vector<std::string>& place) {
    const json* value = take(key, &json::is_array);
    if (value == nullptr) return;
    for (const auto& each : *value) {
      if (!each.is_string()) return fail(key);
      place.push_back(each.get<std::string>());
    }
  }
  void map(const char* key, std::map<std::string, std::string>& place) {
    const json* value = take(key, &json::is_object);
    if (value == nullptr) return;
    for (const auto& [name, each] : value->items()) {
      if (!each.is_string()) return fail(key);
      place[name] = each.get<std::string>();
    }
  }
  void size(const char* key, std::int64_t& place) {
    std::string written;
    text(key, written);
    auto size = written.empty() ? std::optional<std::int64_t>(place) : parse_size(written);
    if (!size) return fail(key);
    place = *size;
  }
  const json* list(const char* key) { return take(key, &json::is_array); }

  // What was wrong, or that a key was not asked for.
  Status finish() const {
    if (!problem_.empty()) return wrong(problem_);
    for (const auto& [key, value] : object_.items()) {
      if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
        return wrong("unknown key " + where_ + key);
      }
    }
    return success();
  }

 private:
  void fail(const char* key) {
    if (problem_.empty()) problem_ = where_ + key + " has a wrong value";
  }
  const json* take(const char* key, bool (json::*is)() const noexcept) {
    known_.emplace_back(key);
    auto at = object_.find(key);
    if (at == object_.end() || at->is_null()) return nullptr;
    if (!((*at).*is)()) {
      fail(key);
      return nullptr;
    }
    return &*at;
  }

  const json& object_;
  std::string where_;
  std::string problem_;
  std::vector<std::string> known_;
};

bool is_answer(const std::string& answer) {
  return answer == "program" || answer == "version" || answer == "folder" ||
         answer.starts_with("env.");
}

Status read_runtime(const json& value, RuntimeSpec& spec) {
  if (!value.is_object()) return wrong("runtimes must be a list of mappings");
  Fields fields(value, "runtimes.");
  fields.text("name", spec.name);
  fields.text("from", spec.from);
  fields.text("program", spec.program);
  fields.text("minimum", spec.minimum);
  fields.text("install", spec.install);
  fields.texts("candidates", spec.candidates);
  fields.texts("ask", spec.ask);
  fields.texts("answers", spec.answers);
  fields.flag("optional", spec.optional);
  if (auto ok = fields.finish(); !ok) return ok;
  if (!spec.from.empty()) return success();
  bool complete =
      !spec.name.empty() && !spec.candidates.empty() && !spec.minimum.empty() &&
      std::find(spec.answers.begin(), spec.answers.end(), "version") != spec.answers.end();
  if (!complete) return wrong("a runtime needs name, candidates, minimum and the answer version");
  bool known = std::all_of(spec.answers.begin(), spec.answers.end(), is_answer);
  return known ? success() : Status(wrong("answers are program, version, folder or env.<NAME>"));
}

}  // namespace

Result<LocalYaml> parse_local_yaml(std::string_view text) {
  auto value = yaml_to_json(text);
  if (!value) return std::move(value).error();
  if (!value->is_object()) return wrong("must be a mapping");
  LocalYaml local;
  Fields fields(*value, "");
  fields.text("lane", local.lane);
  fields.text("description", local.description);
  fields.text("language", local.language);
  fields.text("unavailable", local.unavailable);
  fields.map("env", local.env);
  fields.texts("parked", local.parked);
  fields.number("size", local.size, 1000);
  fields.size("memory", local.memory);
  if (const json* runtimes = fields.list("runtimes")) {
    for (const auto& each : *runtimes) {
      if (auto ok = read_runtime(each, local.runtimes.emplace_back()); !ok) {
        return std::move(ok).error();
      }
    }
  }
  if (auto ok = fields.finish(); !ok) return std::move(ok).error();
  if (local.lane != "fast" && local.lane != "general") return wrong("lane must be fast or general");
  if (local.language.empty()) return wrong("language is missing");
  return local;
}

}  // namespace vibed::templates
