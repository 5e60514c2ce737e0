// What a label of Kubernetes can say of a text.
#pragma once

#include <string>
#include <string_view>

namespace vibed {

// The nearest text that Kubernetes takes as a label's value: at most 63 of [A-Za-z0-9._-], a letter
// or digit at both ends. Every other character becomes one '_'. Empty, which Kubernetes takes too,
// for a text without letters and digits. Different texts may become the same one: a label selects,
// it decides nothing.
std::string label_value(std::string_view text);

}  // namespace vibed
