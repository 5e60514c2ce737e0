// vibed version: of the program and of the library it runs with.
#include "vibed/version.hpp"

#include <fmt/format.h>

#include "commands.hpp"
#include "remote.hpp"

namespace vibed::cli {
namespace {

Status run_version(const Invocation& invocation) {
  const std::string library = vibed::version();
  if (invocation.has("json")) {
    print_json({{"version", VIBED_VERSION}, {"library", library}});
  } else {
    fmt::print("vibed {}{}\n", VIBED_VERSION,
               library == VIBED_VERSION ? "" : " (libvibed " + library + ")");
  }
  return success();
}

}  // namespace

Command version_command() {
  return {.name = "version",
          .summary = "print the version",
          .options = {{"--json", "", "print JSON"}},
          .run = run_version};
}

}  // namespace vibed::cli
