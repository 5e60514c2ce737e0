// The order of the rules; each rule is in a file of its own.
#include <algorithm>
#include <array>

#include "base/error_codes.hpp"
#include "plan/command.hpp"
#include "plan/rules.hpp"
#include "plan/search.hpp"

namespace vibed {
namespace {

using namespace plan;

constexpr std::uint64_t kMaxTextBytes = 256 * 1024;
constexpr std::size_t kMaxTexts = 64;

MaybePlan procfile_plan(Search& search) {
  search.note("Procfile");
  for (std::string_view line : lines_of(search.text("Procfile"))) {
    line = trim(line);
    if (!line.starts_with("web:")) continue;
    std::string_view command = trim(line.substr(4));
    if (!command.empty()) return plan_of_text(search, command, "Procfile: web");
  }
  return std::nullopt;
}

MaybePlan given_plan(Search& search) {
  const StartPlanInput& input = search.input();
  if (!trim(input.entrypoint).empty()) {
    return plan_of_text(search, input.entrypoint, "runtime.entrypoint");
  }
  auto command = input.env.find("VIBED_USER_COMMAND");
  if (command == input.env.end() || trim(command->second).empty()) return std::nullopt;
  return plan_of_text(search, command->second, "VIBED_USER_COMMAND");
}

// What the source says outright stands before what its names suggest.
MaybePlan any_language_plan(Search& search) {
  if (auto plan = program_plan(search)) return plan;
  if (auto plan = declared_node_plan(search)) return plan;
  if (auto plan = dockerfile_plan(search)) return plan;
  if (auto plan = named_node_plan(search)) return plan;
  if (auto plan = python_plan(search)) return plan;
  if (auto plan = go_plan(search)) return plan;
  return shell_script_plan(search);
}

MaybePlan node_plan(Search& search) {
  if (auto plan = declared_node_plan(search)) return plan;
  return named_node_plan(search);
}

MaybePlan language_plan(Search& search) {
  MaybePlan plan;
  switch (search.language()) {
    case Language::none: return std::nullopt;
    case Language::all: return any_language_plan(search);
    case Language::node: plan = node_plan(search); break;
    case Language::python: plan = python_plan(search); break;
    case Language::go:
      plan = program_plan(search);
      if (!plan) plan = go_plan(search);
      break;
  }
  if (!plan) plan = program_plan(search);
  if (!plan) plan = dockerfile_plan(search);
  return plan;
}

// Dependencies that came along; where the plan and the app name the same path list, all count.
void add_dependencies(const Search& search, StartPlan& plan) {
  for (auto& [name, value] : dependency_env(search)) {
    std::string joined = value;
    if (auto own = plan.env.find(name); own != plan.env.end()) joined.insert(0, own->second + ":");
    plan.env[name] = joined;
  }
  for (const char* name : {"PYTHONPATH", "NODE_PATH"}) {
    auto own = plan.env.find(name);
    auto given = search.input().env.find(name);
    if (own == plan.env.end() || given == search.input().env.end()) continue;
    if (!given->second.empty()) own->second += ":" + given->second;
  }
}

Error no_start_command(const Search& search) {
  std::string message = "found nothing that starts the app; looked for ";
  for (std::size_t i = 0; i < search.looked_for().size(); ++i) {
    message += (i == 0 ? "" : ", ") + search.looked_for()[i];
  }
  bool page = search.has("index.html");
  if (page) message += "; index.html alone is served by the template static-nginx";
  return make_error("no_start_command", std::move(message));
}

bool wants_text(std::string_view path) {
  constexpr std::array kNames = {
      "package.json",     "Procfile",        "Dockerfile", "Containerfile",  "Pipfile", "setup.py",
      "requirements.txt", "requirements.in", "setup.cfg",  "pyproject.toml", "go.mod"};
  auto slashes = std::count(path.begin(), path.end(), '/');
  if (slashes == 0) {
    bool source = path.ends_with(".py") || path.ends_with(".go") || path.ends_with(".sh");
    return source || std::find(kNames.begin(), kNames.end(), path) != kNames.end();
  }
  for (std::string_view folder : {"app/", "src/", "api/", "backend/"}) {
    if (slashes == 1 && path.starts_with(folder) && path.ends_with(".py")) return true;
  }
  bool command = slashes <= 2 && path.ends_with(".go") && !path.starts_with("vendor/");
  return command || (slashes == 1 && path.ends_with("/manage.py"));
}

}  // namespace

std::vector<std::string> start_plan_texts(const std::vector<ArchiveEntry>& entries) {
  std::vector<std::string> paths;
  for (const auto& entry : entries) {
    bool readable = entry.type == EntryType::file && entry.size <= kMaxTextBytes;
    if (readable && wants_text(entry.path)) paths.push_back(entry.path);
  }
  // Those at the root matter most, and are kept when there are too many.
  auto depth = [](const std::string& path) { return std::count(path.begin(), path.end(), '/'); };
  auto before = [&](const std::string& a, const std::string& b) {
    return depth(a) != depth(b) ? depth(a) < depth(b) : a < b;
  };
  std::sort(paths.begin(), paths.end(), before);
  if (paths.size() > kMaxTexts) paths.resize(kMaxTexts);
  return paths;
}

Result<StartPlan> start_plan(const StartPlanInput& input) {
  Search search(input);
  MaybePlan plan = given_plan(search);
  if (!plan && input.template_name == "static-nginx") {
    return StartPlan{{"nginx", "-e", "stderr", "-c", "/etc/vibed/nginx.conf"},
                     {},
                     "static files are served by nginx"};
  }
  if (!plan && input.template_name == "workerd") {
    return make_error("no_start_command", "Workers apps cannot be run by this version of vibed");
  }
  if (!plan) plan = procfile_plan(search);
  if (!plan) plan = language_plan(search);
  if (!plan) return no_start_command(search);
  add_dependencies(search, *plan);
  return *std::move(plan);
}

}  // namespace vibed
