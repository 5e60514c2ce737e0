// Where the programs and folders are that libvibed needs beside itself.
#pragma once

#include <string>

#include "vibed/result.hpp"

namespace vibed {

// The program vibed-agent and the folder templates/: `given` if it is not empty, else from the
// install prefix of the library or of the running program, else from beside them (a build tree),
// else PATH for the agent. `not_found` says where was looked.
Result<std::string> find_agent(const std::string& given);
Result<std::string> find_templates(const std::string& given);

}  // namespace vibed
