// run_agent: vibed-agent from its environment to its end.
#pragma once

#include "agent/agent_config.hpp"

namespace vibed::agent {

// Runs in the calling thread, which must be the process's only one, until SIGTERM or SIGINT.
// Returns the exit status.
int run_agent(const Environment& environment);

}  // namespace vibed::agent
