// AppView: what a client reads off an app as GET /v1/apps/{id} gives it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vibed {

struct AppView {
  std::string phase;
  std::string reason;
  std::string message;
  bool settled = false;  // the newest generation serves, or has failed
};

// Of an app's JSON; empty and not settled when it is none. An app whose newer generation is on its
// way is not settled, whatever its phase. Neither is a suspended one: its deploy resumes it.
AppView view_app(std::string_view json);

}  // namespace vibed
