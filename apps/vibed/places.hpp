// Where things are by default.
#pragma once

#include <string>

#include "vibed/program.hpp"

namespace vibed::cli {

// --data, else VIBED_DATA, else /var/lib/vibed for root and ${XDG_DATA_HOME:-~/.local/share}/vibed
// for others. Absolute.
std::string data_folder(const Invocation& invocation);

// An app's name made of a path: "My Shop/" and "my_shop.tar.gz" are "my-shop".
std::string name_from_path(const std::string& path);

}  // namespace vibed::cli
