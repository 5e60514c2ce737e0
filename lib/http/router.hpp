// Router finds the handler of a method and path. Pure; filled once, then only read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"

namespace vibed::http {

// discard: not read at all; the answer comes at once, and closes the connection if there is a body.
enum class BodyMode { memory, spool, discard };

struct RouteOptions {
  BodyMode body = BodyMode::memory;
  std::uint64_t max_body_bytes = 1024 * 1024;  // past it: 413 payload_too_large
};

class Router {
 public:
  // Adds a route. `pattern` is a path whose parts may be {name} (one part) or end in {name...} (the
  // rest). "*" as method matches any. HEAD is served by GET without the body.
  void add(std::string method, std::string pattern, Handler handler, RouteOptions options = {});

  struct Match {
    const Handler* handler = nullptr;  // null: see `allowed`
    RouteOptions options;
    std::map<std::string, std::string> parameters;
    std::vector<std::string> allowed;  // methods this path does have: 405, or 404 when empty
    std::string pattern;               // for metrics: a bounded set of labels
  };
  // Literal parts win over {name}.
  Match find(std::string_view method, std::string_view path) const;

  // Method and pattern of each route, in the order they were added.
  std::vector<std::pair<std::string, std::string>> routes() const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> parts;
    std::string pattern;
    Handler handler;
    RouteOptions options;
  };
  std::vector<Route> routes_;
};

}  // namespace vibed::http
