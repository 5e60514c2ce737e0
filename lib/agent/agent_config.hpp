// AgentConfig: what vibed-agent is told by its environment, and what of it the app gets to see.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "vibed/result.hpp"

namespace vibed::agent {

using Environment = std::map<std::string, std::string>;

struct AgentConfig {
  int control_fd = -1;  // an inherited listening socket; -1: control_address
  int relay_fd = -1;    // the same; -1: relay_address, or no relay when that is empty too
  std::string control_address = ":9000";
  std::string relay_address = {};
  std::string workdir = "/workspace";
  std::string spool_directory = "/tmp";
  std::string authorities = {};  // PEM file of who vouches for https; empty: the system's
  std::string template_name = {};
  std::string language = {};
  std::string runtime_probe = {};
  int app_port = 8080;
  int log_lines = 500;
  std::string token = {};
  bool require_auth = false;
  std::int64_t limit_processes = 0;                                  // 0: none
  std::int64_t limit_data = 0;                                       // bytes; 0: none
  std::vector<std::pair<std::string, std::string>> link_trees = {};  // read-only folder, its mirror
  std::vector<std::string> parked = {};  // a command started ahead of any app; empty: none
  Environment app_environment = {};      // everything that is not VIBED_*
};

// Pure. A number that is none counts as absent, as it always did; a malformed link tree, parked
// command or descriptor is an error, because nothing would work.
Result<AgentConfig> agent_config(const Environment& environment);

// The environment of an app: the agent's own, then `plan`, then `request`, each over the one
// before, and the port. HOST is 0.0.0.0 unless somebody said otherwise: an app that obeys it is
// reachable by whatever address the relay or a probe of the cluster uses, and in a sandbox there is
// only loopback anyway. HOME is the workdir unless the agent was given another.
Environment app_environment(const AgentConfig& config, const Environment& plan,
                            const Environment& request, int port);

}  // namespace vibed::agent
