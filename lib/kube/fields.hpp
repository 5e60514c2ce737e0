// Fields reads one mapping of a kubeconfig and remembers the first thing that is wrong with it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kube/access.hpp"

namespace vibed::kube {

// Every reader returns an empty value for what is missing or wrong; done() tells which.
class Fields {
 public:
  // `where` is how errors name the mapping. `object` outlives this.
  Fields(const Json& object, std::string where);

  std::string text(std::string_view name);
  bool flag(std::string_view name);
  std::vector<std::string> texts(std::string_view name);
  const Json& list(std::string_view name);
  const Json& mapping(std::string_view name);

  // "<name>-data" in base64, or "<name>", a file relative to `folder`.
  Given given(std::string_view name, const std::string& folder);

  // Notes that the field `name` ("": the mapping itself) `what`.
  void fail(std::string_view name, std::string_view what);

  const std::string& where() const { return where_; }
  Status done() const;

 private:
  const Json& object_;
  std::string where_;
  std::string wrong_;
};

// `path` as it is meant in a file of `folder`.
std::string in_folder(const std::string& path, const std::string& folder);

}  // namespace vibed::kube
