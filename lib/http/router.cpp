#include "http/router.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace vibed::http {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  std::size_t begin = path.starts_with('/') ? 1 : 0;
  while (true) {
    std::size_t end = path.find('/', begin);
    parts.emplace_back(path.substr(begin, end == path.npos ? end : end - begin));
    if (end == path.npos) return parts;
    begin = end + 1;
  }
}

bool is_parameter(const std::string& part) { return part.size() > 2 && part.front() == '{'; }
bool is_rest(const std::string& part) { return is_parameter(part) && part.ends_with("...}"); }

std::string name_of(const std::string& part) {
  return part.substr(1, part.size() - (is_rest(part) ? 5 : 2));
}

std::string join_from(const std::vector<std::string>& parts, std::size_t first) {
  std::string text;
  for (std::size_t i = first; i < parts.size(); ++i) text += (i == first ? "" : "/") + parts[i];
  return text;
}

// How specific a match is: one character a part, literal before {name} before {rest...}.
std::optional<std::string> fit(const std::vector<std::string>& pattern,
                               const std::vector<std::string>& path,
                               std::map<std::string, std::string>& parameters) {
  std::string rank;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (i >= path.size()) return std::nullopt;
    if (is_rest(pattern[i])) {
      parameters[name_of(pattern[i])] = join_from(path, i);
      return rank + "2";
    }
    bool parameter = is_parameter(pattern[i]);
    if (parameter ? path[i].empty() : pattern[i] != path[i]) return std::nullopt;
    if (parameter) parameters[name_of(pattern[i])] = path[i];
    rank += parameter ? '1' : '0';
  }
  if (pattern.size() != path.size()) return std::nullopt;
  return rank;
}

bool serves(const std::string& route_method, std::string_view method) {
  return route_method == "*" || route_method == method ||
         (route_method == "GET" && method == "HEAD");
}

void allow(std::vector<std::string>& allowed, const std::string& method) {
  if (std::find(allowed.begin(), allowed.end(), method) == allowed.end()) allowed.push_back(method);
}

}  // namespace

void Router::add(std::string method, std::string pattern, Handler handler, RouteOptions options) {
  auto parts = split(pattern);
  routes_.push_back(
      {std::move(method), std::move(parts), std::move(pattern), std::move(handler), options});
}

std::vector<std::pair<std::string, std::string>> Router::routes() const {
  std::vector<std::pair<std::string, std::string>> list;
  for (const Route& route : routes_) list.emplace_back(route.method, route.pattern);
  return list;
}

Router::Match Router::find(std::string_view method, std::string_view path) const {
  Match best;
  if (!path.starts_with('/')) return best;
  auto parts = split(path);
  std::string best_rank;
  for (const Route& route : routes_) {
    std::map<std::string, std::string> parameters;
    auto rank = fit(route.parts, parts, parameters);
    if (!rank) continue;
    if (!serves(route.method, method)) {
      if (best.pattern.empty()) best.pattern = route.pattern;
      allow(best.allowed, route.method);
      if (route.method == "GET") allow(best.allowed, "HEAD");
      continue;
    }
    if (best.handler != nullptr && best_rank <= *rank) continue;
    best_rank = *rank;
    best.handler = &route.handler;
    best.options = route.options;
    best.parameters = std::move(parameters);
    best.pattern = route.pattern;
  }
  std::sort(best.allowed.begin(), best.allowed.end());
  return best;
}

}  // namespace vibed::http
