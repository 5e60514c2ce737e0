// Template: one runtime an app can run on, as templates/<name>/local.yaml describes it for this
// machine.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "vibed/export.hpp"
#include "vibed/result.hpp"

namespace vibed {

// A program of the machine that a template needs, as it was found by running it.
struct Runtime {
  std::string name;                        // "node"
  std::string program;                     // the real program, no shim: "/usr/bin/node"
  std::string version;                     // "v20.20.2"
  std::vector<std::string> folders;        // what a sandbox must mount, read-only, to run it
  std::map<std::string, std::string> env;  // what it needs: GOROOT
};

struct Template {
  std::string name;  // "node-24"
  std::string lane;  // "general"
  std::string description;
  std::string language;  // reported by the agent's /info: "node"
  std::vector<Runtime> runtimes;
  std::map<std::string, std::string> env;  // of every app of it
  // A start command whose program a warm sandbox has started already: an
  // app whose command is exactly this one is there as soon as its files are. Empty: none.
  std::vector<std::string> parked;
  int size = 2;             // warm sandboxes
  std::int64_t memory = 0;  // bytes a sandbox may use; 0: the config's
  bool available = false;
  std::string message;          // why not available and how to mend it
  std::string runtime_version;  // for status: "node v20.20.2"
};

// Reads every folder of `directory` that has a local.yaml and looks its runtimes up on this machine
// by running them (seconds, when cold). A template whose runtime is missing is returned with
// available = false.
VIBED_EXPORT Result<std::vector<Template>> load_templates(const std::string& directory);

}  // namespace vibed
