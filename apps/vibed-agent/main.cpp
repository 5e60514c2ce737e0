// vibed-agent is PID 1 of a sandbox. All of it is in libvibed; this file only reads the
// environment.
#include <unistd.h>

#include <cstring>
#include <string>

#include "agent/agent.hpp"

int main() {
  vibed::agent::Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (const char* equals = std::strchr(*entry, '='))
      environment[std::string(*entry, static_cast<std::size_t>(equals - *entry))] = equals + 1;
  }
  return vibed::agent::run_agent(environment);
}
