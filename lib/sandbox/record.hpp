// Record: what state.json remembers of a sandbox, so that the next vibed can adopt or end it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/cgroup.hpp"
#include "vibed/app.hpp"
#include "vibed/result.hpp"

namespace vibed::sandbox {

// How far the injection got. One that was cut off leaves half a source: such a sandbox is ended.
enum class Injected { no, begun, done };

struct Record {
  std::string id;
  std::string template_name;
  std::string runtime_version;
  std::string token;    // opens the agent's control routes
  pid_t inner_pid = 0;  // 0: bubblewrap has not told yet
  std::uint64_t inner_start = 0;
  pid_t outer_pid = 0;
  std::uint64_t outer_start = 0;
  uid_t uid = 0;                     // on the host; 0: vibed's own
  std::vector<std::string> cgroups;  // folders to remove
  CgroupLimits limits;               // what they were given
  std::string app;                   // empty: not claimed
  std::string app_uid;
  std::string label;
  std::int64_t generation = 0;
  Injected injected = Injected::no;
  Time injected_at = {};

  friend bool operator==(const Record&, const Record&) = default;
};

std::string to_json(const Record& record);
Result<Record> record_from_json(std::string_view json);

}  // namespace vibed::sandbox
