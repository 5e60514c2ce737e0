// Finds the programs that runtimes need on this machine, by running them.
#pragma once

#include <string>
#include <string_view>

#include "template/local_yaml.hpp"
#include "vibed/template.hpp"

namespace vibed::templates {

struct LookupOptions {
  bool for_others = false;  // the sandbox will have a uid of its own: what only we may enter is no
                            // use to it
};

// The first candidate that runs, is new enough and can be entered. `not_found` says what was wrong
// with each and how to mend it. Takes as long as the programs take to start.
Result<Runtime> look_up(const RuntimeSpec& spec, const LookupOptions& options);

// Whether every folder on the way to `path`, which has no links in it, may be entered by anybody,
// and `path` itself be read (and run, if a file) by anybody.
bool others_can_use(const std::string& path);

// "v20.20.2" of "v20.20.2\n", "1.22.1" of "nginx version: nginx/1.22.1"; "" if there is none.
std::string version_in(std::string_view text);

// Whether `version` is `minimum` or newer, number by number.
bool is_at_least(std::string_view version, std::string_view minimum);

// The folders a sandbox must mount for a runtime, given that it has /usr and an /etc of its own.
std::vector<std::string> folders_to_mount(const std::string& program,
                                          const std::vector<std::string>& folders);

}  // namespace vibed::templates
