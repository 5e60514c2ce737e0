// run: a program from start to end, with what it printed.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "process/spawn.hpp"

namespace vibed {

struct RunOptions {
  std::chrono::milliseconds timeout{30'000};
  std::optional<std::vector<std::string>> env = {};  // "NAME=value"; nothing: this process's own
  std::string cwd = {};
  std::string input = {};                  // its standard input
  std::size_t max_output = 1024 * 1024;    // of each stream; more is read and thrown away
  std::optional<Identity> identity = {};   // as in SpawnOptions
  std::vector<ResourceLimit> limits = {};  // as in SpawnOptions
};

struct RunOutput {
  ExitStatus status;
  std::string out;
  std::string err;
  bool truncated = false;  // there was more than max_output
};

// Runs `argv` (looked up in PATH) and waits for its end; any exit status is a success. Past the
// timeout its whole process group is killed and the answer is `deadline_exceeded`. What a child of
// it prints after its end is not waited for. Any thread.
Result<RunOutput> run(const std::vector<std::string>& argv, const RunOptions& options = {});

}  // namespace vibed
