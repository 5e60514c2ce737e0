#include "kube/object.hpp"

#include <charconv>

namespace vibed::kube {
namespace {

constexpr int kDeepest = 100;

// Whether brackets nest deeper than allowed. Sees brackets in texts for what they are.
bool is_too_deep(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kDeepest) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

}  // namespace

ObjectKey parse_key(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == text.npos) return {"", std::string(text)};
  return {std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
}

ObjectKey key_of(const Json& object) {
  return {text_at(object, {"metadata", "namespace"}), text_at(object, {"metadata", "name"})};
}

const Json& find(const Json& object, std::initializer_list<std::string_view> path) {
  static const Json kNothing;
  const Json* at = &object;
  for (std::string_view field : path) {
    if (!at->is_object()) return kNothing;
    const auto next = at->find(field);
    if (next == at->end()) return kNothing;
    at = &*next;
  }
  return *at;
}

std::string text_at(const Json& object, std::initializer_list<std::string_view> path) {
  const Json& value = find(object, path);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::string uid_of(const Json& object) { return text_at(object, {"metadata", "uid"}); }

std::string version_of(const Json& object) {
  return text_at(object, {"metadata", "resourceVersion"});
}

std::optional<std::uint64_t> version_number(std::string_view version) {
  std::uint64_t number = 0;
  const char* end = version.data() + version.size();
  const auto [at, error] = std::from_chars(version.data(), end, number);
  if (error != std::errc() || at != end || version.empty()) return std::nullopt;
  return number;
}

Result<Json> parse_json(std::string_view text) {
  if (is_too_deep(text)) return Error{Errc::unavailable, "JSON that is nested too deeply"};
  try {
    return Json::parse(text);
  } catch (const std::exception& error) {
    return Error{Errc::unavailable, std::string("not JSON: ") + error.what()};
  }
}

std::string to_text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace vibed::kube
