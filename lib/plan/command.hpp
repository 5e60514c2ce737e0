// A command as people write it (Procfile, scripts.start, CMD) → argv that runs without npm, pip's
// console scripts or a shell, where that is possible.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/search.hpp"

namespace vibed::plan {

// The words of `text` as a shell would split them, or nothing if only a shell can run it: it has a
// variable, a pipe, a list, a redirection, a pattern or an open quote.
std::optional<std::vector<std::string>> split_words(std::string_view text);

// The plan that runs `text`, for which `reason` is given.
StartPlan plan_of_text(const Search& search, std::string_view text, std::string reason);

// The plan that runs the program words[0] with the other words.
StartPlan plan_of_words(const Search& search, std::vector<std::string> words, std::string reason);

// A script of package.json, or "".
std::string package_script(const Search& search, const std::string& name);

}  // namespace vibed::plan
