#include "kube/selectors.hpp"

#include <algorithm>
#include <vector>

namespace vibed::testing {
namespace {

using kube::Json;

std::string trimmed(const std::string& text) {
  const std::size_t from = text.find_first_not_of(' ');
  if (from == std::string::npos) return "";
  return text.substr(from, text.find_last_not_of(' ') - from + 1);
}

// Splits at commas outside of brackets.
std::vector<std::string> terms_of(const std::string& selector) {
  std::vector<std::string> terms;
  std::string term;
  int depth = 0;
  for (char c : selector + ",") {
    if (c == '(') ++depth;
    if (c == ')') --depth;
    if (c == ',' && depth == 0) {
      if (!trimmed(term).empty()) terms.push_back(trimmed(term));
      term.clear();
    } else {
      term += c;
    }
  }
  return terms;
}

bool holds(const Json& labels, const std::string& term) {
  const auto value_of = [&](const std::string& name) -> const Json& {
    return kube::find(labels, {name});
  };
  if (term.starts_with('!')) return value_of(trimmed(term.substr(1))).is_null();
  if (const std::size_t in = term.find(" in ("); in != std::string::npos) {
    const Json& value = value_of(trimmed(term.substr(0, in)));
    const auto allowed = terms_of(term.substr(in + 5, term.size() - in - 6));
    return value.is_string() && std::count(allowed.begin(), allowed.end(), value) > 0;
  }
  const std::size_t equals = term.find('=');
  if (equals == std::string::npos) return !value_of(term).is_null();
  const bool differs = equals > 0 && term[equals - 1] == '!';
  std::string value = trimmed(term.substr(equals + 1));
  if (value.starts_with('=')) value.erase(0, 1);
  const Json& has = value_of(trimmed(term.substr(0, differs ? equals - 1 : equals)));
  return (has.is_string() && has == value) != differs;
}

std::string field_of(const Json& object, const std::string& path) {
  const Json* at = &object;
  for (std::size_t from = 0; from <= path.size();) {
    const std::size_t end = std::min(path.find('.', from), path.size());
    at = &kube::find(*at, {path.substr(from, end - from)});
    from = end + 1;
  }
  return at->is_string() ? at->get<std::string>() : "";
}

}  // namespace

bool matches_labels(const Json& object, const std::string& selector) {
  const Json& labels = kube::find(object, {"metadata", "labels"});
  const auto terms = terms_of(selector);
  return std::all_of(terms.begin(), terms.end(),
                     [&](const std::string& term) { return holds(labels, term); });
}

bool matches_fields(const Json& object, const std::string& selector) {
  const auto terms = terms_of(selector);
  return std::all_of(terms.begin(), terms.end(), [&](const std::string& term) {
    const std::size_t equals = term.find('=');
    const bool differs = equals > 0 && term[equals - 1] == '!';
    const std::string path = term.substr(0, differs ? equals - 1 : equals);
    return (field_of(object, path) == term.substr(equals + 1)) != differs;
  });
}

}  // namespace vibed::testing
