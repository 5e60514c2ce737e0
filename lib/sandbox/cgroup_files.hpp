// What everything about cgroups needs to read and write. Seen by cgroup*.cpp only.
#pragma once

#include <map>
#include <string>

#include "vibed/result.hpp"

namespace vibed::sandbox {

// Controller → path, from the text of /proc/self/cgroup; "" is the unified hierarchy.
std::map<std::string, std::string> own_cgroup_paths(const std::string& self);

// The folder of the cgroup `path` in the hierarchy mounted at `mount`.
std::string cgroup_folder(const std::string& mount, const std::string& path);

// Kernel files: written in place and in one go, never renamed.
Status put_cgroup_file(const std::string& path, const std::string& text);

// Whether `word` is one of those in `text`.
bool has_word(const std::string& text, const std::string& word);

}  // namespace vibed::sandbox
