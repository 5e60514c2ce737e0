// What the text of a Python file says about how it is served.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vibed::plan {

enum class Interface { asgi, wsgi };

// A module-level application object: `app = FastAPI()`, or a function that is one:
// `async def app(scope, receive, send)`.
struct PythonApp {
  std::string name;       // "app"
  std::string framework;  // "FastAPI", the factory or class that is called, or "a function"
  Interface interface = Interface::wsgi;
  bool factory = false;  // `name` is a function that makes the object
};

// The first one in `text`, or nothing.
std::optional<PythonApp> find_python_app(std::string_view text);

// Whether running the file starts its server by itself.
bool starts_itself(std::string_view text);

// Whether `text` imports the module, by "import x" or "from x import y".
bool imports(std::string_view text, std::string_view module);

}  // namespace vibed::plan
