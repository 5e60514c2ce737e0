// Caller: on whose behalf something is done.
#pragma once

#include <string>

namespace vibed {

struct Caller {
  std::string user = "admin";  // written to spec.owner; empty: nobody
  bool admin = true;           // may deploy over the app of another
};

}  // namespace vibed
