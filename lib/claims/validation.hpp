// Template validation: what the agents of a pool say of their image decides whether apps get
// sandboxes of it. A bad image closes its pool, never one deploy alone, and a good one opens it
// again. Pure.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>

#include "vibed/result.hpp"
#include "vibed/sandbox_pool.hpp"

namespace vibed::claims {

// The answer to GET /info.
struct AgentInfo {
  std::string contract;  // "2"
  std::string language;  // of the image: "node"
  std::string probe;     // the command that was run to see whether the runtime is there
  bool probe_ok = false;
  std::string probe_output;
};
Result<AgentInfo> read_agent_info(std::string_view json);

// Why apps of that template cannot run in such a sandbox; empty: they can.
std::string fault_of(const std::string& template_name, const AgentInfo& info);

// What the last sandbox of each template that was asked has said.
class Validation {
 public:
  // A template of which nothing is known is good: apps do not wait to be told so.
  void note_good(const std::string& template_name, const std::string& runtime_version);
  void note_bad(const std::string& template_name, const std::string& why, Time now);

  // Empty: it may be used.
  std::string why_closed(const std::string& template_name) const;
  // What really runs, if it was told.
  std::string runtime_version(const std::string& template_name) const;

  // Of a closed template: when another sandbox of it is worth asking. Twice as late each time, from
  // two seconds to a minute: the members of its pool may all have to be replaced.
  Time ask_again_at(const std::string& template_name) const;

 private:
  struct State {
    std::string why;
    std::string version;
    int failures = 0;  // in a row
    Time again = {};
  };
  std::map<std::string, State> states_;
};

}  // namespace vibed::claims
