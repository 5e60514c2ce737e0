#include "plan/command.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>

namespace vibed::plan {
namespace {

using std::string_view_literals::operator""sv;
using Words = std::vector<std::string>;

constexpr int kMaxDepth = 4;  // of scripts that call scripts

// Console scripts that are also modules: found through PYTHONPATH, wherever they were vendored.
constexpr std::array kPythonTools = {"gunicorn"sv,  "uvicorn"sv, "hypercorn"sv,
                                     "daphne"sv,    "flask"sv,   "fastapi"sv,
                                     "streamlit"sv, "granian"sv, "waitress-serve"sv};

template <class Names>
bool contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_assignment(std::string_view word) {
  auto equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  for (char c : word.substr(0, equals)) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_') return false;
  }
  return std::isdigit(static_cast<unsigned char>(word.front())) == 0;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// The agent sets PORT, so its value is known here, and most commands then need no shell.
std::string with_port(std::string_view text, const std::string& port) {
  std::string result(text);
  replace_all(result, "${PORT}", port);
  for (auto at = result.find("${PORT:-"); at != std::string::npos; at = result.find("${PORT:-")) {
    auto end = result.find('}', at);
    if (end == std::string::npos) break;
    result.replace(at, end - at + 1, port);
  }
  for (auto at = result.find("$PORT"); at != std::string::npos; at = result.find("$PORT", at)) {
    char next = at + 5 < result.size() ? result[at + 5] : ' ';
    bool longer = std::isalnum(static_cast<unsigned char>(next)) != 0 || next == '_';
    if (longer) {
      at += 5;
    } else {
      result.replace(at, 5, port);
    }
  }
  return result;
}

bool has_module_bin(const Search& search, std::string_view program) {
  return search.has("node_modules/.bin/" + std::string(program));
}

// The script that "npm start", "yarn build", "pnpm run x" … would run, or "".
std::string script_called(const Search& search, const Words& words) {
  bool manager = words[0] == "npm" || words[0] == "yarn" || words[0] == "pnpm" || words[0] == "bun";
  if (!manager || words.size() < 2) return "";
  bool run = words[1] == "run" || words[1] == "run-script";
  if (run && words.size() == 3) return package_script(search, words[2]);
  bool short_form = words.size() == 2 && (words[0] != "npm" || words[1] == "start");
  return short_form ? package_script(search, words[1]) : "";
}

bool is_script_of(std::string_view word, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(),
                     [&](std::string_view ending) { return word.ends_with(ending); });
}

bool is_javascript(std::string_view word) {
  return is_script_of(word, {".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".tsx", ".jsx"});
}

// nodemon, tsx, bun and deno call a script that node may run as well when they did not come along.
Words by_plain_node(const Words& words) {
  auto script = std::find_if(words.begin() + 1, words.end(), is_javascript);
  if (script == words.end()) return words;
  Words result = {"node"};
  result.insert(result.end(), script, words.end());
  return result;
}

Words node_words(const Search& search, Words words) {
  if (words[0] == "nodejs") words[0] = "node";
  if (words[0] == "npx" && words.size() > 1 && has_module_bin(search, words[1])) {
    words.erase(words.begin());
  }
  if (has_module_bin(search, words[0])) {
    words[0] = "node_modules/.bin/" + words[0];
    return words;
  }
  bool runner = words[0] == "nodemon" || words[0] == "tsx" || words[0] == "ts-node" ||
                words[0] == "bun" || words[0] == "deno" || words[0] == "ts-node-dev";
  return runner ? by_plain_node(words) : words;
}

Words python_words(Words words) {
  bool wrapper = words[0] == "poetry" || words[0] == "pipenv" || words[0] == "uv" ||
                 words[0] == "pdm" || words[0] == "rye" || words[0] == "hatch";
  if (wrapper && words.size() > 2 && words[1] == "run") {
    words.erase(words.begin(), words.begin() + 2);
  }
  if (words[0] == "python" || words[0] == "py") words[0] = "python3";
  if (contains(kPythonTools, words[0])) {
    if (words[0] == "waitress-serve") words[0] = "waitress";
    words.insert(words.begin(), {"python3", "-m"});
  }
  return words;
}

// A file of the source that is named alone is run by what its name asks for.
Words by_interpreter(const Search& search, Words words) {
  const std::string file = words[0].starts_with("./") ? words[0].substr(2) : words[0];
  if (!search.has(file)) return words;
  if (search.has_program(file)) {
    if (words[0].find('/') == std::string::npos) words[0].insert(0, "./");
    return words;
  }
  if (is_javascript(file)) words.insert(words.begin(), "node");
  if (file.ends_with(".py")) words.insert(words.begin(), "python3");
  if (file.ends_with(".sh")) words.insert(words.begin(), "sh");
  return words;
}

// "go run x" leaves a parent that does not pass signals on.
Words go_words(Words words) {
  if (words.size() != 3 || words[0] != "go" || words[1] != "run") return words;
  return {"sh", "-c", "go build -buildvcs=false -o /tmp/app " + words[2] + " && exec /tmp/app"};
}

Words normalised(const Search& search, Words words) {
  if (words.empty()) return words;
  words = go_words(by_interpreter(search, python_words(std::move(words))));
  return node_words(search, std::move(words));
}

std::string joined(const Words& words) {
  std::string text;
  for (const auto& word : words) {
    if (!text.empty()) text += ' ';
    bool plain = !word.empty() && split_words(word) == Words{word};
    if (plain) {
      text += word;
      continue;
    }
    std::string quoted = word;
    replace_all(quoted, "'", "'\\''");
    text += '\'' + quoted + '\'';
  }
  return text;
}

std::string shell_text(const Search& search, std::string_view text, int depth);

// One command of a list, with its program named so that it is found here.
std::string shell_segment(const Search& search, std::string_view segment, int depth) {
  auto words = split_words(segment);
  if (!words || words->empty()) {
    // Only its first word can be told apart; that is enough for "python x.py $ARGS".
    std::string_view rest = trim(segment);
    auto blank = rest.find(' ');
    std::string first(rest.substr(0, blank));
    auto program = split_words(first);
    if (blank == std::string_view::npos || !program || is_assignment(first)) {
      return std::string(rest);
    }
    return joined(python_words({first})) + std::string(rest.substr(blank));
  }
  std::size_t skip = 0;
  while (skip < words->size() && is_assignment((*words)[skip])) ++skip;
  Words command(words->begin() + static_cast<std::ptrdiff_t>(skip), words->end());
  if (command.empty()) return std::string(trim(segment));
  std::string script = depth < kMaxDepth ? script_called(search, command) : "";
  std::string text = script.empty() ? joined(normalised(search, std::move(command)))
                                    : "(" + shell_text(search, script, depth + 1) + ")";
  // A quoted NAME='x y' would no longer be an assignment: only its value may be quoted.
  for (std::size_t i = skip; i-- > 0;) {
    auto equals = (*words)[i].find('=');
    std::string value = (*words)[i].substr(equals + 1);
    text.insert(0,
                (*words)[i].substr(0, equals + 1) + (value.empty() ? "" : joined({value})) + " ");
  }
  return text;
}

// Each command of the list `text` on its own; what is not a list of simple commands stays as it is.
std::string shell_text(const Search& search, std::string_view text, int depth) {
  if (text.find_first_of("(){}`\n#\\") != std::string_view::npos) return std::string(text);
  std::string result;
  std::size_t begin = 0;
  char quote = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    char c = i < text.size() ? text[i] : ';';
    if (quote != 0 && i < text.size()) {
      if (c == quote) quote = 0;
      continue;
    }
    if (c == '\'' || c == '"') quote = c;
    bool redirection =
        c == '&' && ((i > 0 && text[i - 1] == '>') || (i + 1 < text.size() && text[i + 1] == '>'));
    if ((c != ';' && c != '&' && c != '|') || redirection) continue;
    if (i > begin) result += shell_segment(search, text.substr(begin, i - begin), depth);
    if (i == text.size()) break;
    std::size_t end = i + 1 < text.size() && text[i + 1] == c ? i + 2 : i + 1;
    result += ' ' + std::string(text.substr(i, end - i)) + ' ';
    begin = end;
    i = end - 1;
  }
  return result;
}

StartPlan plan_by_shell(const Search& search, std::string_view text, std::string reason,
                        int depth) {
  std::string command = shell_text(search, text, depth);
  if (search.has_folder("node_modules/.bin")) {
    command.insert(0, "PATH=\"$PWD/node_modules/.bin:$PATH\"; ");
  }
  return {{"sh", "-c", std::move(command)}, {}, std::move(reason)};
}

StartPlan plan_at_depth(const Search& search, std::string_view text, std::string reason,
                        int depth) {
  std::string command = with_port(trim(text), search.port());
  auto words = split_words(command);
  if (!words) return plan_by_shell(search, command, std::move(reason), depth);
  StartPlan plan;
  auto word = words->begin();
  if (word != words->end() && (*word == "env" || *word == "cross-env" || *word == "exec")) ++word;
  for (; word != words->end() && is_assignment(*word); ++word) {
    auto equals = word->find('=');
    plan.env[word->substr(0, equals)] = word->substr(equals + 1);
  }
  if (word == words->end() || word->empty())
    return plan_by_shell(search, command, std::move(reason), depth);
  Words rest(word, words->end());
  std::string script = depth < kMaxDepth ? script_called(search, rest) : "";
  if (!script.empty()) {
    auto inner = plan_at_depth(search, script, std::move(reason), depth + 1);
    inner.env.merge(plan.env);
    return inner;
  }
  plan.argv = normalised(search, std::move(rest));
  plan.reason = std::move(reason);
  return plan;
}

}  // namespace

std::optional<Words> split_words(std::string_view text) {
  Words words;
  std::string word;
  bool inside = false;  // of a word, which may be empty: ""
  char quote = 0;
  for (char c : text) {
    if (quote != 0) {
      if (quote == '"' && (c == '$' || c == '`' || c == '\\')) return std::nullopt;
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      inside = true;
    } else if (c == ' ' || c == '\t') {
      if (inside) words.push_back(std::move(word));
      word.clear();
      inside = false;
    } else if (std::string_view("$`\\;&|<>()*?[]{}~#!\n\r").find(c) != std::string_view::npos ||
               c == '\0') {
      return std::nullopt;
    } else {
      word += c;
      inside = true;
    }
  }
  if (quote != 0) return std::nullopt;
  if (inside) words.push_back(std::move(word));
  return words;
}

StartPlan plan_of_text(const Search& search, std::string_view text, std::string reason) {
  return plan_at_depth(search, text, std::move(reason), 0);
}

StartPlan plan_of_words(const Search& search, Words words, std::string reason) {
  if (words.size() == 3 && words[1] == "-c" &&
      (words[0] == "sh" || words[0] == "bash" || words[0] == "/bin/sh" ||
       words[0] == "/bin/bash")) {
    return plan_of_text(search, words[2], std::move(reason));
  }
  std::string script = words.empty() ? "" : script_called(search, words);
  if (!script.empty()) return plan_at_depth(search, script, std::move(reason), 1);
  return {normalised(search, std::move(words)), {}, std::move(reason)};
}

std::string package_script(const Search& search, const std::string& name) {
  std::string_view text = search.text("package.json");
  auto json = nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("scripts") || !json["scripts"].is_object()) return "";
  const auto& scripts = json["scripts"];
  auto at = scripts.find(name);
  return at != scripts.end() && at->is_string() ? at->get<std::string>() : "";
}

}  // namespace vibed::plan
