// What tests find around them: variables of the environment, vibed's cache, free ports.
#pragma once

#include <string>

#include "base/fd.hpp"

namespace vibed::testing {

// A variable of the environment, or "".
std::string variable(const char* name);

// Where `make test` keeps the programs that it builds once; scripts/parts says the same.
std::string cache_folder();

// A socket at a free port of 127.0.0.1 that does not listen yet.
struct Bound {
  Fd fd;
  int port;
};
Bound bind_to_loopback();

// A port that was free a moment ago, for a program that cannot choose its own and say which.
int free_port();

}  // namespace vibed::testing
