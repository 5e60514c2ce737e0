// What the files of FakeApi share.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "kube/fake_api.hpp"
#include "kube/selectors.hpp"

namespace vibed::testing {

// Where a path leads.
struct FakeApi::Route {
  std::string type;  // "group/plural"
  std::string api_version;
  ObjectKey key;
  std::string subresource;
};

struct FakeApi::Watch {
  std::string type;
  std::string space;
  std::string labels;
  std::string fields;
  std::uint64_t version = 0;
  std::uint64_t epoch = 0;
  std::uint64_t bookmarks = 0;
  std::string target = {};
  std::chrono::steady_clock::time_point end;
  Fault::What fault = Fault::What::refuse;  // refuse: none
  std::vector<std::string> held = {};       // until there are two to swap

  bool selects(const Json& object) const {
    return object.is_object() && (space.empty() || kube::key_of(object).space == space) &&
           matches_labels(object, labels) && matches_fields(object, fields);
  }
};

inline std::string query_of(const http::Request& request, const std::string& name) {
  const auto at = request.query.find(name);
  return at == request.query.end() ? "" : at->second;
}

}  // namespace vibed::testing
