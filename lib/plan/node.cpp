// Node: what package.json declares, and scripts with telling names.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "plan/command.hpp"
#include "plan/rules.hpp"

namespace vibed::plan {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::array kNodeScripts = {"index.js"sv,
                                     "server.js"sv,
                                     "app.js"sv,
                                     "main.js"sv,
                                     "index.mjs"sv,
                                     "server.mjs"sv,
                                     "app.mjs"sv,
                                     "main.mjs"sv,
                                     "index.cjs"sv,
                                     "server.cjs"sv,
                                     "app.cjs"sv,
                                     "main.cjs"sv,
                                     "index.ts"sv,
                                     "server.ts"sv,
                                     "app.ts"sv,
                                     "main.ts"sv,
                                     "bin/www"sv,
                                     "src/index.js"sv,
                                     "src/server.js"sv,
                                     "src/app.js"sv,
                                     "src/main.js"sv,
                                     "src/index.mjs"sv,
                                     "src/server.mjs"sv,
                                     "server/index.js"sv,
                                     "server/server.js"sv,
                                     "backend/server.js"sv,
                                     "backend/index.js"sv,
                                     "api/index.js"sv,
                                     "dist/index.js"sv,
                                     "dist/server.js"sv,
                                     "dist/main.js"sv,
                                     "dist/app.js"sv,
                                     "build/index.js"sv,
                                     "build/server.js"sv,
                                     ".output/server/index.mjs"sv,
                                     ".next/standalone/server.js"sv,
                                     "src/index.ts"sv,
                                     "src/server.ts"sv,
                                     "src/app.ts"sv,
                                     "src/main.ts"sv};

bool is_typescript(std::string_view path) {
  return path.ends_with(".ts") || path.ends_with(".mts") || path.ends_with(".cts");
}

// The file Node takes for `name`, as require() resolves it, or nothing.
std::optional<std::string> resolve(const Search& search, std::string name) {
  if (name.starts_with("./")) name.erase(0, 2);
  while (name.ends_with('/')) name.pop_back();
  if (name.empty() || name == ".") name = "index";
  if (search.has(name)) return name;
  for (std::string_view ending : {".js", ".json", "/index.js"}) {
    std::string path = name + std::string(ending);
    if (search.has(path)) return path;
  }
  return std::nullopt;
}

// The script in the words of a node command, or "".
std::string script_of(const std::vector<std::string>& argv) {
  for (std::size_t i = 1; i < argv.size(); ++i) {
    const std::string& word = argv[i];
    if (word == "-e" || word == "--eval" || word == "-p") return "";
    bool takes_value = word == "-r" || word == "--require" || word == "--import" ||
                       word == "--loader" || word == "--experimental-loader" || word == "-C";
    if (takes_value) {
      ++i;
    } else if (!word.starts_with('-')) {
      return word;
    }
  }
  return "";
}

// What can already be seen to go wrong, in words for the app's status.
std::string doubts(const Search& search, const StartPlan& plan) {
  if (plan.argv[0] == "node") {
    std::string script = script_of(plan.argv);
    bool here = script.empty() || script.starts_with('/') || resolve(search, script);
    if (!here) return "; " + script + " is not in the source: build it before you deploy";
    if (is_typescript(script))
      return "; TypeScript needs a node that strips types (22.18 or newer)";
    return "";
  }
  bool path = plan.argv[0].find('/') != std::string::npos;
  bool known = path || plan.argv[0] == "sh" || plan.argv[0] == "npm" || plan.argv[0] == "python3";
  return known ? "" : "; " + plan.argv[0] + " did not come along in node_modules";
}

MaybePlan script_plan(Search& search, const std::string& name) {
  std::string script = package_script(search, name);
  search.note("package.json: scripts." + name);
  if (script.empty()) return std::nullopt;
  std::string before = package_script(search, "pre" + name);
  if (!before.empty()) script.insert(0, before + " && ");
  auto plan = plan_of_text(search, script, "package.json: scripts." + name);
  bool as_written = script.find("node ") != std::string::npos;
  if (plan.argv[0] == "node")
    plan.reason += as_written ? " is a plain node command" : ", by node alone";
  plan.reason += doubts(search, plan);
  return plan;
}

MaybePlan main_plan(Search& search) {
  search.note("package.json: main");
  std::string_view text = search.text("package.json");
  auto json = nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("main") || !json["main"].is_string()) return std::nullopt;
  auto script = resolve(search, json["main"].get<std::string>());
  if (!script) return std::nullopt;
  StartPlan plan{{"node", *script}, {}, "package.json: main"};
  plan.reason += doubts(search, plan);
  return plan;
}

// The one script at the root, when nothing has a telling name.
std::optional<std::string> only_script(Search& search) {
  std::optional<std::string> only;
  search.note("a single *.js at the root");
  for (const auto& path : search.files_in("")) {
    bool script = path.ends_with(".js") || path.ends_with(".mjs") || path.ends_with(".cjs");
    bool tool = path.starts_with('.') || path.find(".config.") != std::string::npos ||
                path.find(".test.") != std::string::npos || path == "gulpfile.js" ||
                path == "Gruntfile.js";
    if (!script || tool) continue;
    if (only) return std::nullopt;
    only = path;
  }
  return only;
}

}  // namespace

MaybePlan declared_node_plan(Search& search) {
  if (auto plan = script_plan(search, "start")) return plan;
  if (auto plan = main_plan(search)) return plan;
  return script_plan(search, "start:prod");
}

MaybePlan named_node_plan(Search& search) {
  auto script = search.first_of(kNodeScripts);
  bool named = script.has_value();
  if (!script) script = only_script(search);
  if (!script) return std::nullopt;
  StartPlan plan{
      {"node", *script}, {}, named ? "found " + *script : *script + " is the only script"};
  plan.reason += doubts(search, plan);
  return plan;
}

}  // namespace vibed::plan
