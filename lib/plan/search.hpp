// Search: a source tree as the start plan rules ask about it, and the list of what they asked for.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vibed/agent.hpp"

namespace vibed::plan {

// Which runtimes the template has.
enum class Language { node, python, go, all, none };
Language language_of(std::string_view template_name);

// The input of one start_plan() call, which must outlive it.
class Search {
 public:
  explicit Search(const StartPlanInput& input);

  const StartPlanInput& input() const { return input_; }
  Language language() const { return language_; }
  std::string port() const { return std::to_string(input_.port); }
  bool runs(Language language) const { return language_ == language || language_ == Language::all; }

  bool has(std::string_view path) const { return files_.contains(path); }  // a file or a link
  bool has_program(std::string_view path) const { return programs_.contains(path); }
  bool has_folder(std::string_view path) const;
  // The text of a file, or "" when there is none or it was not given.
  std::string_view text(const std::string& path) const;
  // Paths of the files right in `folder` ("" is the root), sorted. Costs nothing for what lies in
  // folders below: node_modules may hold 50,000 files.
  std::vector<std::string> files_in(std::string_view folder) const { return in(folder).files; }
  // Paths of the folders right in `folder` that have a file somewhere in them, sorted.
  std::vector<std::string> folders_in(std::string_view folder) const { return in(folder).folders; }

  // The first of `paths` that is there. All of them are remembered as looked for.
  std::optional<std::string> first_of(std::span<const std::string_view> paths);
  // `what` is remembered as looked for.
  void note(std::string_view what);
  const std::vector<std::string>& looked_for() const { return looked_for_; }

 private:
  struct Children {
    std::vector<std::string> files;
    std::vector<std::string> folders;
  };
  Children in(std::string_view folder) const;

  const StartPlanInput& input_;
  Language language_;
  std::set<std::string, std::less<>> files_;
  std::set<std::string, std::less<>> programs_;
  std::vector<std::string> looked_for_;
};

// The parts of a path. base_name("a/b.py") is "b.py", folder_of() is "a", stem() is "b".
std::string base_name(std::string_view path);
std::string folder_of(std::string_view path);
std::string stem(std::string_view path);
// The text without blanks around it.
std::string_view trim(std::string_view text);
// The lines of a text, without their ends ("\n" or "\r\n").
std::vector<std::string_view> lines_of(std::string_view text);

}  // namespace vibed::plan
