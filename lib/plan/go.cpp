// Go: build into /tmp, then become the program. And programs that came ready to run.
#include <algorithm>
#include <array>

#include "plan/rules.hpp"

namespace vibed::plan {
namespace {

using std::string_view_literals::operator""sv;

// A name that a shell leaves as it is.
bool is_plain(std::string_view path) {
  return path.find_first_of(" '\"$`\\;&|<>()*?[]{}!#~\n\t") == std::string_view::npos &&
         !path.starts_with('-');
}

bool is_go_source(std::string_view path) {
  return path.ends_with(".go") && !path.ends_with("_test.go");
}

bool is_main_package(const Search& search, const std::string& path) {
  if (!is_go_source(path)) return false;
  std::string_view text = search.text(path);
  if (text.empty()) return base_name(path) == "main.go";
  for (std::string_view line : lines_of(text)) {
    if (line.starts_with("package ")) return trim(line.substr(8)).starts_with("main");
  }
  return false;
}

bool has_main(const Search& search, std::string_view folder) {
  auto files = search.files_in(folder);
  return std::any_of(files.begin(), files.end(),
                     [&](const std::string& path) { return is_main_package(search, path); });
}

// The last part of the module's path in go.mod, which its main program is often named after.
std::string module_name(const Search& search) {
  for (std::string_view line : lines_of(search.text("go.mod"))) {
    if (line.starts_with("module ")) return base_name(trim(line.substr(7)));
  }
  return "";
}

// The folder of the package to build: the root, else a server among cmd/*, else any other.
std::optional<std::string> main_folder(Search& search) {
  search.note("main.go");
  if (has_main(search, "")) return "";
  std::vector<std::string> found;
  search.note("cmd/*/main.go");
  for (const char* parent : {"cmd", "cmds", ""}) {
    if (has_main(search, parent) && *parent != '\0') found.emplace_back(parent);
    for (const auto& folder : search.folders_in(parent)) {
      bool skip = folder == "vendor" || folder == "cmd" || base_name(folder).starts_with('.') ||
                  !is_plain(folder);
      if (!skip && has_main(search, folder)) found.push_back(folder);
    }
    if (!found.empty()) break;
  }
  if (found.empty()) return std::nullopt;
  for (const std::string& name : {module_name(search), std::string("server"), std::string("web"),
                                  std::string("api"), std::string("app"), std::string("main")}) {
    for (const auto& folder : found) {
      if (base_name(folder) == name) return folder;
    }
  }
  return found.front();
}

bool needs_cgo(const Search& search, std::string_view folder) {
  auto files = search.files_in(folder);
  return std::any_of(files.begin(), files.end(), [&](const std::string& path) {
    return is_go_source(path) && search.text(path).find("import \"C\"") != std::string_view::npos;
  });
}

// Without a module "go build ." has nothing to go by; files can be named instead.
std::string what_to_build(const Search& search, const std::string& folder) {
  if (search.has("go.mod") || search.has("go.work") || search.has(folder + "/go.mod")) {
    return folder.empty() ? "." : "./" + folder;
  }
  std::string files;
  for (const auto& path : search.files_in(folder)) {
    if (is_go_source(path) && is_plain(path)) files += (files.empty() ? "" : " ") + path;
  }
  return files;
}

}  // namespace

MaybePlan go_plan(Search& search) {
  search.note("go.mod");
  auto folder = main_folder(search);
  if (!folder) return std::nullopt;
  std::string what = what_to_build(search, *folder);
  bool own_module = !folder->empty() && !search.has("go.mod") && !search.has("go.work") &&
                    search.has(*folder + "/go.mod");
  std::string build = "go build -buildvcs=false -o /tmp/app ";
  build = own_module ? "(cd " + *folder + " && " + build + ".)" : build + what;
  StartPlan plan{{"sh", "-c", build + " && exec /tmp/app"},
                 {},
                 "package main in " + (folder->empty() ? "the root" : *folder + "/")};
  if (needs_cgo(search, *folder)) plan.env["CGO_ENABLED"] = "1";
  return plan;
}

MaybePlan program_plan(Search& search) {
  search.note("./app");
  if (!search.has_program("app")) return std::nullopt;
  return StartPlan{{"./app"}, {}, "found the program ./app"};
}

MaybePlan shell_script_plan(Search& search) {
  constexpr std::array kScripts = {"start.sh"sv, "run.sh"sv, "entrypoint.sh"sv};
  auto script = search.first_of(kScripts);
  if (!script) return std::nullopt;
  bool bash = lines_of(search.text(*script)).empty() ||
              lines_of(search.text(*script)).front().find("bash") != std::string_view::npos;
  return StartPlan{{bash ? "bash" : "sh", *script}, {}, "found " + *script};
}

}  // namespace vibed::plan
