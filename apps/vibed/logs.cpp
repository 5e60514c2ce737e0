// vibed logs: what an app has written.
#include <fmt/format.h>

#include <cstdio>

#include "commands.hpp"
#include "remote.hpp"

namespace vibed::cli {
namespace {

Status logs(const Invocation& invocation) {
  const auto print = [](std::string_view line) {
    fmt::print("{}\n", line);
    return std::fflush(stdout) == 0;
  };
  return connect(invocation)->logs(invocation.text("APP"), invocation.has("follow"), print, {});
}

}  // namespace

Command logs_command() {
  auto options = remote_options(false);
  options.insert(options.begin(), {"-f,--follow", "", "go on, also over redeploys"});
  return {.name = "logs",
          .summary = "show what an app has written",
          .options = options,
          .positionals = {{"APP", "its name"}},
          .run = logs};
}

}  // namespace vibed::cli
