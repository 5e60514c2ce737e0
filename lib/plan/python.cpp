// Python: Streamlit, Django, ASGI and WSGI objects, and scripts with telling names.
#include <algorithm>
#include <array>
#include <cctype>

#include "plan/command.hpp"
#include "plan/python_app.hpp"
#include "plan/rules.hpp"

namespace vibed::plan {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::array kPythonScripts = {
    "app.py"sv,          "main.py"sv,        "server.py"sv,        "run.py"sv,
    "wsgi.py"sv,         "asgi.py"sv,        "api.py"sv,           "application.py"sv,
    "web.py"sv,          "index.py"sv,       "start.py"sv,         "bot.py"sv,
    "__main__.py"sv,     "app/main.py"sv,    "app/app.py"sv,       "app/__init__.py"sv,
    "app/server.py"sv,   "src/main.py"sv,    "src/app.py"sv,       "src/server.py"sv,
    "src/run.py"sv,      "api/main.py"sv,    "api/app.py"sv,       "api/index.py"sv,
    "backend/main.py"sv, "backend/app.py"sv, "backend/server.py"sv};

// Folders people vendor modules into. The first group holds nothing else.
constexpr std::array kVendorFolders = {"vendor"sv,         "vendored"sv,
                                       "site-packages"sv,  "deps"sv,
                                       "python_modules"sv, ".python_packages/lib/site-packages"sv};
constexpr std::array kMixedFolders = {"lib"sv, "libs"sv};

bool holds_modules(const Search& search, std::string_view folder) {
  for (const auto& path : search.files_in(folder)) {
    if (path.ends_with(".py")) return true;
  }
  for (const auto& path : search.folders_in(folder)) {
    if (search.has(path + "/__init__.py")) return true;
  }
  return false;
}

// pip leaves a *.dist-info beside every package it installs.
bool holds_installed(const Search& search, std::string_view folder) {
  for (const auto& path : search.folders_in(folder)) {
    if (path.ends_with(".dist-info") || path.ends_with(".egg-info")) return true;
  }
  return false;
}

// ".venv/lib/python3.11/site-packages" and its like.
std::vector<std::string> environment_folders(const Search& search) {
  std::vector<std::string> found;
  for (const char* root : {".venv", "venv", "env"}) {
    for (const auto& version : search.folders_in(std::string(root) + "/lib")) {
      if (search.has_folder(version + "/site-packages"))
        found.push_back(version + "/site-packages");
    }
  }
  for (const auto& version : search.folders_in("__pypackages__")) {
    if (search.has_folder(version + "/lib")) found.push_back(version + "/lib");
  }
  return found;
}

std::vector<std::string> vendor_folders(const Search& search) {
  std::vector<std::string> found;
  for (std::string_view folder : kVendorFolders) {
    if (holds_modules(search, folder)) found.emplace_back(folder);
  }
  // Modules of the app's own in lib/ could hide those of the standard library.
  for (std::string_view folder : kMixedFolders) {
    if (holds_installed(search, folder)) found.emplace_back(folder);
  }
  for (auto& folder : environment_folders(search)) found.push_back(std::move(folder));
  return found;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

// Whether `package` is named as a word of its own in a manifest.
bool names(std::string_view manifest, std::string_view package) {
  std::string text = lower(manifest);
  auto part = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
  };
  for (auto at = text.find(package); at != std::string::npos; at = text.find(package, at + 1)) {
    std::size_t end = at + package.size();
    bool begins = at == 0 || !part(text[at - 1]);
    bool ends = end == text.size() || !part(text[end]);
    if (begins && ends) return true;
  }
  return false;
}

bool is_listed(const Search& search, std::string_view package) {
  for (const char* manifest : {"requirements.txt", "pyproject.toml", "Pipfile", "setup.py",
                               "setup.cfg", "requirements.in"}) {
    std::string_view text = search.text(manifest);
    if (names(text, package)) return true;
    bool standard = package == "uvicorn" && (text.find("fastapi[") != std::string_view::npos);
    if (standard) return true;
  }
  return false;
}

// Whether `import module` can be expected to work: it came along, or it is listed and nothing shows
// that it did not.
bool is_available(const Search& search, const std::string& module) {
  auto folders = vendor_folders(search);
  folders.emplace_back();  // the root
  bool installed = false;
  for (const auto& folder : folders) {
    std::string prefix = folder.empty() ? "" : folder + "/";
    if (search.has(prefix + module + "/__init__.py") || search.has(prefix + module + ".py")) {
      return true;
    }
    installed = installed || (!folder.empty() && holds_installed(search, folder));
  }
  bool elsewhere = !search.input().dependencies_path.empty();
  return is_listed(search, module) && (elsewhere || !installed);
}

// How a file is named to Python: the folder its imports start from, and the module's dotted name.
struct Module {
  std::string folder;  // "" is the workspace
  std::string name;    // "app.main"
};

// A file in a folder is part of a package if the folder says so or its imports do.
Module module_of(const Search& search, const std::string& path) {
  std::string folder = folder_of(path);
  std::string name = stem(path);
  if (folder.empty()) return {"", name};
  std::string_view text = search.text(path);
  bool package = name == "__init__" || search.has(folder + "/__init__.py") ||
                 imports(text, folder) || text.find("from .") != std::string_view::npos;
  if (!package) return {folder, name};
  std::string dotted = name == "__init__" ? folder : folder + "/" + name;
  std::replace(dotted.begin(), dotted.end(), '/', '.');
  return {"", dotted};
}

StartPlan run_file(const Search& search, const std::string& path, std::string reason) {
  Module module = module_of(search, path);
  if (module.folder.empty() && module.name.find('.') != std::string::npos) {
    return {{"python3", "-m", module.name}, {}, std::move(reason)};
  }
  return {{"python3", path}, {}, std::move(reason)};
}

StartPlan by_asgi_server(const Search& search, const Module& module, const PythonApp& app,
                         std::string reason) {
  std::string target = module.name + ":" + app.name;
  std::string address = "127.0.0.1:" + search.port();
  if (!is_available(search, "uvicorn") && is_available(search, "hypercorn")) {
    return {{"python3", "-m", "hypercorn", "--bind", address, target}, {}, std::move(reason)};
  }
  StartPlan plan{
      {"python3", "-m", "uvicorn", target, "--host", "127.0.0.1", "--port", search.port()},
      {},
      std::move(reason)};
  if (app.factory) plan.argv.emplace_back("--factory");
  if (!module.folder.empty()) {
    plan.argv.insert(plan.argv.end(), {"--app-dir", module.folder});
  }
  return plan;
}

StartPlan by_wsgi_server(const Search& search, const Module& module, const PythonApp& app,
                         std::string reason) {
  std::string target = module.name + ":" + app.name + (app.factory ? "()" : "");
  std::string address = "127.0.0.1:" + search.port();
  StartPlan plan{{"python3", "-m", "gunicorn", target, "--bind", address}, {}, std::move(reason)};
  if (!is_available(search, "gunicorn") && is_available(search, "waitress")) {
    target = module.name + ":" + app.name;
    plan.argv = {"python3", "-m", "waitress", "--listen=" + address};
    if (app.factory) plan.argv.emplace_back("--call");
    plan.argv.push_back(std::move(target));
  } else if (!module.folder.empty()) {
    plan.argv.insert(plan.argv.end(), {"--chdir", module.folder});
    return plan;
  }
  if (!module.folder.empty()) plan.env["PYTHONPATH"] = module.folder;
  return plan;
}

StartPlan by_flask(const Search& search, const Module& module, const PythonApp& app,
                   std::string reason) {
  std::string target = module.name + ":" + app.name + (app.factory ? "()" : "");
  StartPlan plan{{"python3", "-m", "flask", "--app", target, "run", "--host", "127.0.0.1", "--port",
                  search.port()},
                 {},
                 std::move(reason)};
  if (!module.folder.empty()) plan.env["PYTHONPATH"] = module.folder;
  return plan;
}

bool is_flask(const Search& search, const std::string& path, const PythonApp& app) {
  return app.framework == "Flask" || app.framework == "APIFlask" ||
         imports(search.text(path), "flask");
}

// An application object in the file `path`, served as its dependencies allow.
MaybePlan app_plan(const Search& search, const std::string& path) {
  auto app = find_python_app(search.text(path));
  if (!app) return std::nullopt;
  Module module = module_of(search, path);
  std::string found = path + ": " + app->name + " is " +
                      (app->interface == Interface::asgi ? "an ASGI" : "a WSGI") + " app (" +
                      app->framework + ")";
  bool self = starts_itself(search.text(path));
  if (app->interface == Interface::asgi) {
    bool server = is_available(search, "uvicorn") || is_available(search, "hypercorn");
    if (self && !server) return run_file(search, path, path + " starts its own server");
    return by_asgi_server(search, module, *app, std::move(found));
  }
  bool server = is_available(search, "gunicorn") || is_available(search, "waitress");
  if (server) return by_wsgi_server(search, module, *app, std::move(found));
  if (self) return run_file(search, path, path + " starts its own server");
  if (is_flask(search, path, *app)) return by_flask(search, module, *app, std::move(found));
  return by_wsgi_server(search, module, *app, std::move(found));
}

MaybePlan streamlit_plan(Search& search) {
  search.note("a script that imports streamlit");
  std::vector<std::string> scripts = {"streamlit_app.py", "app.py", "main.py", "Home.py"};
  for (auto& path : search.files_in("")) {
    if (path.ends_with(".py")) scripts.push_back(std::move(path));
  }
  for (const auto& path : scripts) {
    bool named = path == "streamlit_app.py" && search.has(path);
    if (!named && !imports(search.text(path), "streamlit")) continue;
    return StartPlan{{"python3", "-m", "streamlit", "run", path, "--server.address", "127.0.0.1",
                      "--server.port", search.port(), "--server.headless", "true",
                      "--browser.gatherUsageStats", "false"},
                     {},
                     path + " is a Streamlit app"};
  }
  return std::nullopt;
}

// "mysite" of 'mysite.settings' in manage.py, else the folder that has a wsgi.py.
std::string django_project(const Search& search, const std::string& folder,
                           const std::string& manage) {
  std::string_view text = search.text(manage);
  auto at = text.find(".settings");
  if (at != std::string_view::npos) {
    auto begin = text.find_last_of("'\"", at);
    if (begin != std::string_view::npos) return std::string(text.substr(begin + 1, at - begin - 1));
  }
  for (const auto& path : search.folders_in(folder)) {
    if (search.has(path + "/wsgi.py")) return base_name(path);
  }
  return "";
}

MaybePlan django_plan(Search& search) {
  search.note("manage.py");
  std::string manage = "manage.py";
  for (const auto& top : search.folders_in("")) {
    if (!search.has(manage) && search.has(top + "/manage.py")) manage = top + "/manage.py";
  }
  if (!search.has(manage)) return std::nullopt;
  std::string folder = folder_of(manage);
  std::string project = django_project(search, folder, manage);
  std::string path = project;
  std::replace(path.begin(), path.end(), '.', '/');
  bool wsgi =
      !project.empty() && search.has((folder.empty() ? "" : folder + "/") + path + "/wsgi.py");
  if (wsgi && is_available(search, "gunicorn")) {
    PythonApp app{"application", "Django", Interface::wsgi, false};
    return by_wsgi_server(search, {folder, project + ".wsgi"}, app, manage + ": a Django project");
  }
  return StartPlan{{"python3", manage, "runserver", "127.0.0.1:" + search.port(), "--noreload"},
                   {},
                   manage + ": a Django project"};
}

// The one script at the root, or the one package that can be run.
std::optional<StartPlan> only_plan(Search& search) {
  search.note("a single *.py at the root");
  std::vector<std::string> scripts;
  for (const auto& path : search.files_in("")) {
    bool tool = path == "setup.py" || path == "conftest.py" || path == "noxfile.py" ||
                path == "tasks.py" || path.starts_with("test_") || path.ends_with("_test.py");
    if (path.ends_with(".py") && !tool) scripts.push_back(path);
  }
  if (scripts.size() == 1) {
    return StartPlan{{"python3", scripts[0]}, {}, scripts[0] + " is the only script"};
  }
  search.note("*/__main__.py");
  for (const auto& folder : search.folders_in("")) {
    if (folder.starts_with('.') || !search.has(folder + "/__main__.py")) continue;
    bool module = folder.find('-') == std::string::npos;
    std::vector<std::string> argv = {"python3", folder};
    if (module) argv.insert(argv.begin() + 1, "-m");
    return StartPlan{std::move(argv), {}, "found " + folder + "/__main__.py"};
  }
  return std::nullopt;
}

// main() of [project.scripts] in pyproject.toml, for a package laid out in src/ or at the root.
MaybePlan entry_point_plan(Search& search) {
  search.note("pyproject.toml: project.scripts");
  bool inside = false;
  for (std::string_view line : lines_of(search.text("pyproject.toml"))) {
    line = trim(line);
    if (line.starts_with('['))
      inside = line == "[project.scripts]" || line == "[tool.poetry.scripts]";
    auto equals = line.find('=');
    if (!inside || line.starts_with('#') || equals == std::string_view::npos) continue;
    std::string target(trim(line.substr(equals + 1)));
    std::erase_if(target, [](char c) { return c == '"' || c == '\''; });
    auto colon = target.find(':');
    bool plain = std::all_of(target.begin(), target.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == ':';
    });
    if (colon == std::string::npos || !plain) continue;
    std::string module = target.substr(0, colon);
    std::string function = target.substr(colon + 1);
    StartPlan plan{
        {"python3", "-c",
         "import sys; from " + module + " import " + function + "; sys.exit(" + function + "())"},
        {},
        "pyproject.toml: project.scripts"};
    std::string path = module.substr(0, module.find('.'));
    if (search.has_folder("src/" + path)) plan.env["PYTHONPATH"] = "src";
    return plan;
  }
  return std::nullopt;
}

}  // namespace

MaybePlan python_plan(Search& search) {
  if (auto plan = streamlit_plan(search)) return plan;
  if (auto plan = django_plan(search)) return plan;
  auto first = search.first_of(kPythonScripts);
  for (std::string_view path : kPythonScripts) {
    if (!search.has(path)) continue;
    if (auto plan = app_plan(search, std::string(path))) return plan;
  }
  if (first && *first != "app/__init__.py") return run_file(search, *first, "found " + *first);
  for (const auto& path : search.files_in("")) {
    if (!path.ends_with(".py")) continue;
    if (auto plan = app_plan(search, path)) return plan;
  }
  if (auto plan = only_plan(search)) return plan;
  return entry_point_plan(search);
}

std::map<std::string, std::string> dependency_env(const Search& search) {
  std::map<std::string, std::string> env;
  const std::string& given = search.input().dependencies_path;
  bool modules = base_name(given) == "node_modules";
  if (modules && search.runs(Language::node)) env["NODE_PATH"] = given;
  if (!search.runs(Language::python)) return env;
  std::string path = modules ? "" : given;
  for (const auto& folder : vendor_folders(search)) {
    if (folder != given) path += (path.empty() ? "" : ":") + folder;
  }
  if (!path.empty()) env["PYTHONPATH"] = path;
  return env;
}

}  // namespace vibed::plan
