// What POST /inject asks for, in contract v1 and v2. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/agent_config.hpp"
#include "vibed/result.hpp"

namespace vibed::agent {

// Contract v2. JSON: the header X-Vibed-Inject, and the archive is the body; or, where a header has
// no room for it, the first X-Vibed-Inject-Length bytes of the body, and the archive follows. With
// a source_url no archive is in the body.
struct InjectRequest {
  std::string token;
  std::int64_t generation = 0;
  std::string entrypoint;
  Environment env;
  int port = 0;            // 0: the configured one
  std::string source_url;  // from where the archive is pulled
};

Result<InjectRequest> parse_inject_request(std::string_view json);

// The JSON body of contract v1. Exactly one of files and source_url is there.
struct PullRequest {
  std::string language = {};
  std::map<std::string, std::string> files = {};  // path → text
  std::string source_url = {};
  std::vector<std::string> command = {};
  Environment env = {};
  int port = 0;
};

// Messages are those of contract v1.
Result<PullRequest> parse_pull_request(std::string_view body);

// The command of a v1 request: its own, else python or node with the first known file name.
Result<std::vector<std::string>> derived_command(const PullRequest& request);

// Whether a v1 inline file may have that path: relative, no "..", no empty or "." part.
bool is_inline_path(std::string_view path);

}  // namespace vibed::agent
