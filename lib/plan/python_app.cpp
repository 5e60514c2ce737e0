#include "plan/python_app.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <initializer_list>
#include <vector>

#include "plan/search.hpp"

namespace vibed::plan {
namespace {

struct Framework {
  std::string_view call;
  Interface interface;
};

constexpr std::array kFrameworks = {
    Framework{"FastAPI", Interface::asgi},
    Framework{"Starlette", Interface::asgi},
    Framework{"Quart", Interface::asgi},
    Framework{"Litestar", Interface::asgi},
    Framework{"BlackSheep", Interface::asgi},
    Framework{"FastHTML", Interface::asgi},
    Framework{"fast_app", Interface::asgi},
    Framework{"ASGIApp", Interface::asgi},
    Framework{"AsyncFlaskApp", Interface::asgi},
    Framework{"WsgiToAsgi", Interface::asgi},
    Framework{"get_asgi_application", Interface::asgi},
    Framework{"falcon.asgi.App", Interface::asgi},
    Framework{"Flask", Interface::wsgi},
    Framework{"APIFlask", Interface::wsgi},
    Framework{"OpenAPI", Interface::wsgi},
    Framework{"Bottle", Interface::wsgi},
    Framework{"default_app", Interface::wsgi},
    Framework{"get_wsgi_application", Interface::wsgi},
    Framework{"WSGIApp", Interface::wsgi},
    Framework{"falcon.App", Interface::wsgi},
    Framework{"make_wsgi_app", Interface::wsgi},
};

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::string_view take_word(std::string_view& text) {
  std::size_t end = 0;
  while (end < text.size() && is_word(text[end])) ++end;
  std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

void skip_blanks(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

// "FastAPI" of "fastapi.FastAPI(title=…": the dotted name that is called, whole.
std::string_view called(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && (is_word(text[end]) || text[end] == '.')) ++end;
  return end < text.size() && text[end] == '(' ? text.substr(0, end) : std::string_view();
}

const Framework* framework_of(std::string_view call) {
  for (const auto& framework : kFrameworks) {
    if (call == framework.call) return &framework;
    bool qualified = call.size() > framework.call.size() && call.ends_with(framework.call) &&
                     call[call.size() - framework.call.size() - 1] == '.';
    if (qualified) return &framework;
  }
  return nullptr;
}

// Which interface the objects of a factory have, by what its file imports.
Interface interface_of_imports(std::string_view text) {
  for (std::string_view module : {"fastapi", "starlette", "quart", "litestar", "fasthtml"}) {
    if (imports(text, module)) return Interface::asgi;
  }
  return Interface::wsgi;
}

bool is_factory_name(std::string_view name) {
  return name == "create_app" || name == "make_app" || name == "get_app" || name == "build_app";
}

// Whether a parameter list begins "scope, receive, send", whatever its layout and annotations.
bool takes(std::string_view parameters, std::initializer_list<std::string_view> names) {
  for (std::string_view name : names) {
    while (!parameters.empty() && !is_word(parameters.front())) parameters.remove_prefix(1);
    if (take_word(parameters) != name) return false;
    int depth = 0;  // a comma inside an annotation's brackets separates nothing here
    while (!parameters.empty() && (depth > 0 || parameters.front() != ',')) {
      if (parameters.front() == '[' || parameters.front() == '(') ++depth;
      if (parameters.front() == ']' || parameters.front() == ')') --depth;
      if (depth < 0) break;
      parameters.remove_prefix(1);
    }
  }
  return true;
}

// What follows in `text` from its part `place` on: as much as a parameter list may be long.
std::string_view text_from(std::string_view place, std::string_view text) {
  return text.substr(static_cast<std::size_t>(place.data() - text.data()), 1000);
}

bool is_usual_name(std::string_view name) {
  return name == "app" || name == "application" || name == "api";
}

// `async def app(scope, receive, send):` and `def application(environ, start_response):`, the bare
// interfaces; `line` is part of `text`.
std::optional<PythonApp> app_of_function(std::string_view line, std::string_view text) {
  bool async = line.starts_with("async def ");
  if (!async && !line.starts_with("def ")) return std::nullopt;
  line.remove_prefix(async ? 10 : 4);
  std::string_view name = take_word(line);
  if (!is_usual_name(name) || !line.starts_with('(')) return std::nullopt;
  std::string_view rest = text_from(line.substr(1), text);
  if (async && takes(rest, {"scope", "receive", "send"}))
    return PythonApp{std::string(name), "a function", Interface::asgi, false};
  if (!async &&
      (takes(rest, {"environ", "start_response"}) || takes(rest, {"env", "start_response"})))
    return PythonApp{std::string(name), "a function", Interface::wsgi, false};
  return std::nullopt;
}

// The classes of the file whose objects are called as ASGI calls.
std::vector<std::string_view> asgi_classes(std::string_view text) {
  constexpr std::string_view kCall = "async def __call__(";
  std::vector<std::string_view> found;
  std::string_view last;
  for (std::string_view line : lines_of(text)) {
    if (line.starts_with("class ")) {
      line.remove_prefix(6);
      last = take_word(line);
    }
    std::size_t at = line.find(kCall);
    if (at == std::string_view::npos || last.empty()) continue;
    if (takes(text_from(line.substr(at + kCall.size()), text),
              {"self", "scope", "receive", "send"}))
      found.push_back(last);
  }
  return found;
}

// `classes`: asgi_classes(text)
std::optional<PythonApp> app_of_assignment(std::string_view line, std::string_view text,
                                           const std::vector<std::string_view>& classes) {
  std::string_view name = take_word(line);
  if (name.empty() || name == "def" || name == "class") return std::nullopt;
  skip_blanks(line);
  // `app, rt = fast_app()`
  if (line.starts_with(',')) {
    line.remove_prefix(std::min(line.find('='), line.size()));
  } else if (line.starts_with(':')) {
    line.remove_prefix(std::min(line.find('='), line.size()));
  }
  if (!line.starts_with('=') || line.starts_with("==")) return std::nullopt;
  line.remove_prefix(1);
  skip_blanks(line);
  std::string_view call = called(line);
  if (call.empty()) return std::nullopt;
  if (const Framework* framework = framework_of(call)) {
    return PythonApp{std::string(name), std::string(framework->call), framework->interface, false};
  }
  std::string_view last = call.substr(call.rfind('.') + 1);
  if (!is_usual_name(name)) return std::nullopt;
  if (std::find(classes.begin(), classes.end(), call) != classes.end())
    return PythonApp{std::string(name), std::string(call), Interface::asgi, false};
  if (!is_factory_name(last)) return std::nullopt;
  return PythonApp{std::string(name), std::string(last), interface_of_imports(text), false};
}

std::optional<PythonApp> app_of_factory(std::string_view line, std::string_view text) {
  if (!line.starts_with("def ")) return std::nullopt;
  line.remove_prefix(4);
  std::string_view name = take_word(line);
  if (!is_factory_name(name)) return std::nullopt;
  return PythonApp{std::string(name), std::string(name), interface_of_imports(text), true};
}

}  // namespace

std::optional<PythonApp> find_python_app(std::string_view text) {
  std::vector<std::string_view> classes = asgi_classes(text);
  std::optional<PythonApp> function;
  std::optional<PythonApp> factory;
  for (std::string_view line : lines_of(text)) {
    if (auto app = app_of_assignment(line, text, classes)) return app;
    if (!function) function = app_of_function(line, text);
    if (!factory) factory = app_of_factory(line, text);
  }
  return function ? function : factory;
}

bool starts_itself(std::string_view text) {
  bool guarded = false;
  for (std::string_view line : lines_of(text)) {
    if (line.starts_with("if __name__")) guarded = true;
    bool top = !line.empty() && line.front() != ' ' && line.front() != '\t' && line.front() != '#';
    if (!guarded && !top) continue;
    if (line.starts_with("def ") || line.starts_with("class ") || line.starts_with('@')) continue;
    for (std::string_view start :
         {".run(", "serve(", "run_app(", "serve_forever(", ".launch(", ".listen(", "run_simple(",
          "start_server(", "run_until_complete("}) {
      if (line.find(start) != std::string_view::npos) return true;
    }
    bool calls_main = guarded && (line.find("main(") != std::string_view::npos ||
                                  line.find("run(") != std::string_view::npos);
    if (calls_main) return true;
  }
  return false;
}

bool imports(std::string_view text, std::string_view module) {
  for (std::string_view line : lines_of(text)) {
    line = trim(line);
    for (std::string_view form : {"import ", "from "}) {
      if (!line.starts_with(form)) continue;
      std::string_view rest = line.substr(form.size());
      if (!rest.starts_with(module)) continue;
      if (rest.size() == module.size() || !is_word(rest[module.size()])) return true;
    }
  }
  return false;
}

}  // namespace vibed::plan
