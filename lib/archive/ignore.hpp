// IgnoreRules decides as git does which paths .gitignore and .vibedignore leave out.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vibed::archive {

// One line of an ignore file.
struct IgnorePattern {
  std::vector<std::string> parts;  // between '/'; "**" stands for any number of folders
  bool negated = false;            // "!x": takes back what an earlier line left out
  bool folders_only = false;       // "x/"
  bool anchored = false;           // has a '/' before its end: counts from the file's own folder
};

class IgnoreRules {
 public:
  // Adds the lines of an ignore file in `folder` (clean, "" for the top). Later lines win over
  // earlier ones, and files in deeper folders over those above.
  void add(const std::string& folder, std::string_view text);

  // Whether `path` itself is left out; what is below a folder that is left out is never asked.
  bool ignores(std::string_view path, bool is_folder) const;

 private:
  std::map<std::string, std::vector<IgnorePattern>, std::less<>> rules_;  // by folder
};

// fnmatch(3) for one part of a path, without its traps: time is O(pattern × name).
bool matches_part(std::string_view pattern, std::string_view name);

}  // namespace vibed::archive
