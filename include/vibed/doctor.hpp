// Doctor: whether this machine can run vibed, and what to do about what is missing.
#pragma once

#include <string>
#include <vector>

#include "vibed/config.hpp"
#include "vibed/export.hpp"

namespace vibed {

struct DoctorOptions {
  std::string data;  // the data folder; need not exist
  Config config = {};
  std::string agent = {};        // as in EngineOptions
  std::string templates = {};    // as in EngineOptions
  std::string search_path = {};  // as in EngineOptions
};

// One thing that was looked at.
struct Finding {
  std::string what;  // "bubblewrap"
  bool good = false;
  bool required = false;    // without it vibed does not run
  std::string detail = {};  // what was found: "0.8.0 at /usr/bin/bwrap"
  std::string fix = {};     // what to do; empty when nothing needs doing
};

// Looks at everything, by running it where that is the only proof (seconds). Changes nothing.
VIBED_EXPORT std::vector<Finding> examine_machine(const DoctorOptions& options);

// Whether everything required is good.
VIBED_EXPORT bool is_fit(const std::vector<Finding>& findings);

}  // namespace vibed
