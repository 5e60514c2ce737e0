// What vibed-agent decides without touching anything: how an app is started.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "vibed/archive.hpp"
#include "vibed/export.hpp"
#include "vibed/result.hpp"

namespace vibed {

// What a start plan is computed from. Only names are needed; each text makes the plan better.
struct StartPlanInput {
  std::vector<ArchiveEntry> entries;         // the extracted tree, as in Listing
  std::map<std::string, std::string> texts;  // path → content of small files the plan may read:
                                             // see start_plan_texts()
  std::string template_name;                 // "node-24"; "base-al2023" has every runtime
  std::string entrypoint;                    // spec.runtime.entrypoint; empty: not given
  std::map<std::string, std::string> env;    // the app's own; VIBED_USER_COMMAND is looked at
  int port = 8080;                           // where the app is told to listen
  std::string dependencies_path = {};  // site-packages or node_modules that came along, if known
};

struct StartPlan {
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;  // added to the app's environment
  std::string reason;                      // "package.json: scripts.start is a plain node command"

  friend bool operator==(const StartPlan&, const StartPlan&) = default;
};

// The paths whose text start_plan() would like to see, out of those in `entries`.
VIBED_EXPORT std::vector<std::string> start_plan_texts(const std::vector<ArchiveEntry>& entries);

// The command that starts the app; first match of docs/start-plans.md wins. Pure.
// `not_found` with the reason no_start_command names every file that was looked for.
VIBED_EXPORT Result<StartPlan> start_plan(const StartPlanInput& input);

}  // namespace vibed
