// What the last stage of a Dockerfile would start. Nothing is ever built from it.
#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>

#include "plan/command.hpp"
#include "plan/rules.hpp"

namespace vibed::plan {
namespace {

using std::string_view_literals::operator""sv;

// CMD or ENTRYPOINT: exec form is a list of words, shell form a text.
struct Command {
  std::vector<std::string> words;
  std::string text;
  bool given() const { return !words.empty() || !text.empty(); }
};

struct Stage {
  Command cmd;
  Command entrypoint;
  std::string workdir;
  std::map<std::string, std::string> env;
};

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

Command parse_command(std::string_view text) {
  auto json = nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_array()) return {{}, std::string(text)};
  Command command;
  for (const auto& word : json) {
    if (!word.is_string()) return {};
    command.words.push_back(word.get<std::string>());
  }
  return command;
}

// The instructions: lines joined over a trailing backslash, without comments and here-documents.
std::vector<std::string> instructions_of(std::string_view text) {
  std::vector<std::string> found;
  std::string current;
  std::string here;  // the word that ends the here-document we are in
  for (std::string_view line : lines_of(text)) {
    std::string_view plain = trim(line);
    if (!here.empty()) {
      if (plain == here) here.clear();
      continue;
    }
    if (plain.starts_with('#') || (plain.empty() && current.empty())) continue;
    bool more = plain.ends_with('\\');
    if (more) plain.remove_suffix(1);
    current += std::string(trim(plain)) + (more ? " " : "");
    if (more) continue;
    auto mark = current.find("<<");
    bool can = upper(current).starts_with("RUN") || upper(current).starts_with("COPY");
    if (can && mark != std::string::npos) {
      std::string_view word = std::string_view(current).substr(mark + 2);
      if (word.starts_with('-')) word.remove_prefix(1);
      here = std::string(word.substr(0, word.find(' ')));
      std::erase_if(here, [](char c) { return c == '"' || c == '\''; });
    }
    found.push_back(std::move(current));
    current.clear();
  }
  if (!current.empty()) found.push_back(std::move(current));
  return found;
}

// Where things live in the image means nothing here, so values with paths are left out.
void add_env(Stage& stage, std::string_view text) {
  auto words = split_words(text);
  if (!words || words->empty()) return;
  bool pairs = words->front().find('=') != std::string::npos;
  if (!pairs && words->size() == 2) *words = {words->at(0) + "=" + words->at(1)};
  for (const auto& word : *words) {
    auto equals = word.find('=');
    if (equals == std::string::npos) continue;
    std::string name = word.substr(0, equals);
    std::string value = word.substr(equals + 1);
    bool ours = name == "PORT" || name == "HOST" || name == "PATH" || name == "HOME";
    if (!ours && !value.starts_with('/')) stage.env[name] = value;
  }
}

Stage last_stage(std::string_view text) {
  Stage stage;
  for (const auto& line : instructions_of(text)) {
    auto blank = line.find_first_of(" \t");
    if (blank == std::string::npos) continue;
    std::string name = upper(line.substr(0, blank));
    std::string_view rest = trim(std::string_view(line).substr(blank));
    if (name == "FROM") stage = {};
    if (name == "CMD") stage.cmd = parse_command(rest);
    if (name == "ENTRYPOINT") stage.entrypoint = parse_command(rest);
    if (name == "WORKDIR") stage.workdir = rest;
    if (name == "ENV") add_env(stage, rest);
  }
  while (stage.workdir.size() > 1 && stage.workdir.ends_with('/')) stage.workdir.pop_back();
  return stage;
}

// The workspace stands in for WORKDIR: "/app/server.js" is "server.js".
std::string in_workspace(const Search& search, const std::string& workdir,
                         const std::string& word) {
  if (workdir.empty() || !word.starts_with(workdir + "/")) return word;
  std::string path = word.substr(workdir.size() + 1);
  return search.has(path) || search.has_folder(path) ? path : word;
}

// A port below 1024 cannot be taken in a sandbox.
void use_own_port(const Search& search, std::vector<std::string>& words) {
  for (std::size_t i = 1; i < words.size(); ++i) {
    bool flag = words[i - 1] == "-p" || words[i - 1] == "--port";
    if (flag && (words[i] == "80" || words[i] == "443")) words[i] = search.port();
    if (words[i] == "--port=80") words[i] = "--port=" + search.port();
    if (words[i].ends_with(":80")) words[i].replace(words[i].size() - 2, 2, search.port());
  }
}

// Whether a template of this language has the program, or the source does.
bool runs_here(const Search& search, const std::string& program) {
  constexpr std::array kNode = {"node"sv,    "nodejs"sv, "npm"sv,     "npx"sv, "yarn"sv, "pnpm"sv,
                                "nodemon"sv, "tsx"sv,    "ts-node"sv, "bun"sv, "deno"sv};
  constexpr std::array kPython = {"python"sv,  "python3"sv,        "gunicorn"sv,  "uvicorn"sv,
                                  "flask"sv,   "streamlit"sv,      "hypercorn"sv, "daphne"sv,
                                  "fastapi"sv, "waitress-serve"sv, "uv"sv,        "poetry"sv,
                                  "pipenv"sv};
  auto is_in = [&](const auto& names) {
    return std::find(names.begin(), names.end(), program) != names.end();
  };
  if (search.runs(Language::node) && is_in(kNode)) return true;
  if (search.runs(Language::python) && is_in(kPython)) return true;
  if (search.runs(Language::go) && program == "go") return true;
  if (program == "sh" || program == "bash" || program == "/bin/sh" || program == "/bin/bash") {
    return true;
  }
  std::string path = program.starts_with("./") ? program.substr(2) : program;
  return search.has(path) || search.has("node_modules/.bin/" + path);
}

void drop_init(std::vector<std::string>& words) {
  constexpr std::array kInits = {"tini"sv,      "/sbin/tini"sv,         "/usr/bin/tini"sv,
                                 "dumb-init"sv, "/usr/bin/dumb-init"sv, "catatonit"sv};
  if (words.empty() || std::find(kInits.begin(), kInits.end(), words[0]) == kInits.end()) return;
  words.erase(words.begin());
  while (!words.empty() && words[0].starts_with('-')) words.erase(words.begin());
}

// The words of ENTRYPOINT and CMD together, or the shell text, as Docker combines them.
Command combined(const Search& search, const Stage& stage) {
  Command entry = stage.entrypoint;
  drop_init(entry.words);
  if (!entry.given()) return stage.cmd;
  if (!entry.text.empty()) return {{}, entry.text};
  // An entrypoint of the image ("docker-entrypoint.sh") only wraps the command.
  std::string program = in_workspace(search, stage.workdir, entry.words[0]);
  if (!runs_here(search, program)) return stage.cmd;
  entry.words.insert(entry.words.end(), stage.cmd.words.begin(), stage.cmd.words.end());
  return {entry.words, ""};
}

}  // namespace

MaybePlan dockerfile_plan(Search& search) {
  for (const char* file : {"Dockerfile", "Containerfile"}) {
    bool usual = std::string_view(file) == "Dockerfile";
    if (usual || search.has(file)) search.note(std::string(file) + " (CMD or ENTRYPOINT)");
    if (search.text(file).empty()) continue;
    Stage stage = last_stage(search.text(file));
    Command command = combined(search, stage);
    drop_init(command.words);
    bool entry = !stage.entrypoint.text.empty() || command.words != stage.cmd.words;
    std::string reason = std::string(file) + ": " + (entry ? "ENTRYPOINT" : "CMD");
    if (auto words = split_words(command.text); words && command.words.empty()) {
      command.words = std::move(*words);
    }
    StartPlan plan;
    if (!command.words.empty()) {
      for (auto& word : command.words) word = in_workspace(search, stage.workdir, word);
      if (!runs_here(search, command.words[0])) continue;
      use_own_port(search, command.words);
      plan = plan_of_words(search, std::move(command.words), std::move(reason));
    } else if (!command.text.empty()) {
      plan = plan_of_text(search, command.text, std::move(reason));
    } else {
      continue;
    }
    plan.env.merge(stage.env);
    return plan;
  }
  return std::nullopt;
}

}  // namespace vibed::plan
