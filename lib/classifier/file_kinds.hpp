// What the name of a file says about an app: knowledge for rule 1.
#pragma once

#include <string_view>

namespace vibed {

bool is_html(std::string_view path);

// Inside a folder that says nothing about what the app is: node_modules, .git, .github, ….
bool is_beside_the_point(std::string_view path);

// Code that only a server runs, a template of one, or a file that says how to run or build one, by
// its name alone. `path` is as in ArchiveEntry.
bool is_server_side(std::string_view path);

// A script at the root which a server runtime is commonly started with, but which a page may load
// as well: app.js, index.js, main.js ….
bool is_ambiguous_entry(std::string_view path);

}  // namespace vibed
