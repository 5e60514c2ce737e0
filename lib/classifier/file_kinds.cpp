#include "classifier/file_kinds.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

namespace vibed {
namespace {

using std::string_view_literals::operator""sv;

// Languages that a browser does not run, and templates that a server fills in. Sorted.
constexpr std::array kServerExtensions = {
    ".adb"sv,    ".asp"sv,    ".aspx"sv,   ".bal"sv,    ".c"sv,      ".cbl"sv,    ".cc"sv,
    ".cfm"sv,    ".cgi"sv,    ".clj"sv,    ".cljc"sv,   ".cob"sv,    ".cpp"sv,    ".cpy"sv,
    ".cr"sv,     ".cs"sv,     ".cshtml"sv, ".csproj"sv, ".cxx"sv,    ".dart"sv,   ".eex"sv,
    ".ejs"sv,    ".erb"sv,    ".erl"sv,    ".ex"sv,     ".exs"sv,    ".f90"sv,    ".fs"sv,
    ".fsproj"sv, ".ftl"sv,    ".gleam"sv,  ".go"sv,     ".gohtml"sv, ".groovy"sv, ".h"sv,
    ".haml"sv,   ".heex"sv,   ".hpp"sv,    ".hs"sv,     ".j2"sv,     ".jar"sv,    ".java"sv,
    ".jinja"sv,  ".jinja2"sv, ".jl"sv,     ".jsp"sv,    ".jspx"sv,   ".kt"sv,     ".kts"sv,
    ".leex"sv,   ".lisp"sv,   ".lua"sv,    ".ml"sv,     ".mojo"sv,   ".nim"sv,    ".njk"sv,
    ".php"sv,    ".php5"sv,   ".phtml"sv,  ".pl"sv,     ".pm"sv,     ".pug"sv,    ".py"sv,
    ".pyc"sv,    ".pyw"sv,    ".rb"sv,     ".razor"sv,  ".rkt"sv,    ".rs"sv,     ".scala"sv,
    ".scm"sv,    ".slim"sv,   ".swift"sv,  ".tcl"sv,    ".tmpl"sv,   ".twig"sv,   ".vb"sv,
    ".vbproj"sv, ".vala"sv,   ".war"sv,    ".zig"sv,
};

// Files that say how a server is built, started or fed, at any depth.
constexpr std::array kServerNames = {
    "Procfile"sv,         "Dockerfile"sv,     "Containerfile"sv,  "package.json"sv,
    "package.json5"sv,    "package.yaml"sv,   "deno.json"sv,      "deno.jsonc"sv,
    "requirements.txt"sv, "pyproject.toml"sv, "Pipfile"sv,        "setup.py"sv,
    "uv.lock"sv,          "poetry.lock"sv,    "go.mod"sv,         "go.work"sv,
    "wrangler.toml"sv,    "wrangler.json"sv,  "wrangler.jsonc"sv, "Gemfile"sv,
    "composer.json"sv,    "Cargo.toml"sv,     "pom.xml"sv,        "build.gradle"sv,
    "mix.exs"sv,          "rebar.config"sv,   "gleam.toml"sv,     "project.clj"sv,
    "build.sbt"sv,        "stack.yaml"sv,     "shard.yml"sv,      "pubspec.yaml"sv,
    "Package.swift"sv,    "CMakeLists.txt"sv, "spin.toml"sv,
};

// At the root only: elsewhere they are names a page's scripts have, too.
constexpr std::array kServerRootNames = {
    "worker.js"sv, "worker.ts"sv, "server.js"sv,     "server.mjs"sv, "server.cjs"sv,
    "server.ts"sv, "app.ts"sv,    "index.ts"sv,      "main.ts"sv,    "mod.ts"sv,
    "start.sh"sv,  "run.sh"sv,    "entrypoint.sh"sv,
};

constexpr std::array kAmbiguousEntries = {
    "app.js"sv,    "app.mjs"sv, "app.cjs"sv,  "index.js"sv, "index.mjs"sv,
    "index.cjs"sv, "main.js"sv, "main.mjs"sv, "main.cjs"sv,
};

std::string_view base_name(std::string_view path) {
  auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// ".html" of "a/index.html"; "" without one. A leading dot is part of the name: ".gitignore" has
// none.
std::string_view extension(std::string_view path) {
  std::string_view name = base_name(path);
  auto dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? std::string_view() : name.substr(dot);
}

template <class Names>
bool contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Scripts in a folder that is named for what it holds.
bool is_in_server_folder(std::string_view path) {
  if (!path.starts_with("server/") && !path.starts_with("backend/")) return false;
  std::string_view ending = extension(path);
  return ending == ".js" || ending == ".mjs" || ending == ".cjs" || ending == ".ts";
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

}  // namespace

bool is_html(std::string_view path) {
  std::string ending = lower(extension(path));
  return ending == ".html" || ending == ".htm" || ending == ".xhtml";
}

bool is_beside_the_point(std::string_view path) {
  while (true) {
    auto slash = path.find('/');
    if (slash == std::string_view::npos) return false;
    std::string_view folder = path.substr(0, slash);
    if (folder == "node_modules" || folder == "bower_components" || folder == "jspm_packages") {
      return true;
    }
    if (folder.starts_with('.') && folder != ".well-known") return true;
    path.remove_prefix(slash + 1);
  }
}

bool is_server_side(std::string_view path) {
  if (contains(kServerNames, base_name(path))) return true;
  if (path.find('/') == std::string_view::npos && contains(kServerRootNames, path)) return true;
  if (is_in_server_folder(path)) return true;
  std::string ending = lower(extension(path));
  return std::find(kServerExtensions.begin(), kServerExtensions.end(), ending) !=
         kServerExtensions.end();
}

bool is_ambiguous_entry(std::string_view path) { return contains(kAmbiguousEntries, path); }

}  // namespace vibed
