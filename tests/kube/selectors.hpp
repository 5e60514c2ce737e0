// Label and field selectors, as far as tests use them.
#pragma once

#include <string>

#include "kube/object.hpp"

namespace vibed::testing {

// "a=b", "a!=b", "a", "!a", "a in (b, c)", joined by commas. Throws on anything else.
bool matches_labels(const kube::Json& object, const std::string& selector);

// "metadata.name=x", "spec.nodeName!=y", joined by commas.
bool matches_fields(const kube::Json& object, const std::string& selector);

}  // namespace vibed::testing
