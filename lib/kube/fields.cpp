#include "kube/fields.hpp"

#include <fmt/format.h>

#include "base/base64.hpp"
#include "base/error_codes.hpp"

namespace vibed::kube {

Fields::Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
  if (!object_.is_object() && !object_.is_null()) fail("", "must be a mapping");
}

std::string Fields::text(std::string_view name) {
  const Json& value = find(object_, {name});
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_null()) fail(name, "must be a text");
  return {};
}

bool Fields::flag(std::string_view name) {
  const Json& value = find(object_, {name});
  if (!value.is_null() && !value.is_boolean()) fail(name, "must be true or false");
  return value.is_boolean() && value.get<bool>();
}

std::vector<std::string> Fields::texts(std::string_view name) {
  std::vector<std::string> all;
  for (const Json& each : list(name)) {
    if (!each.is_string()) fail(name, "must be a list of texts");
    if (each.is_string()) all.push_back(each.get<std::string>());
  }
  return all;
}

const Json& Fields::list(std::string_view name) {
  static const Json kEmpty = Json::array();
  const Json& value = find(object_, {name});
  if (value.is_array()) return value;
  if (!value.is_null()) fail(name, "must be a list");
  return kEmpty;
}

const Json& Fields::mapping(std::string_view name) {
  static const Json kNone;
  const Json& value = find(object_, {name});
  if (value.is_object() || value.is_null()) return value;
  fail(name, "must be a mapping");
  return kNone;
}

Given Fields::given(std::string_view name, const std::string& folder) {
  const std::string data_name = std::string(name) + "-data";
  // As kubectl has it, data wins over a file.
  if (const std::string data = text(data_name); !data.empty()) {
    auto bytes = from_base64(data);
    if (!bytes) fail(data_name, "is not base64");
    return {bytes.value_or(""), ""};
  }
  return {"", in_folder(text(name), folder)};
}

void Fields::fail(std::string_view name, std::string_view what) {
  if (!wrong_.empty()) return;
  const char* dot = name.empty() || where_.ends_with(": ") ? "" : ".";
  wrong_ = fmt::format("{}{}{} {}", where_, dot, name, what);
}

Status Fields::done() const {
  return wrong_.empty() ? success() : Status(make_error("bad_kubeconfig", wrong_));
}

std::string in_folder(const std::string& path, const std::string& folder) {
  return path.empty() || path.starts_with('/') ? path : folder + "/" + path;
}

}  // namespace vibed::kube
