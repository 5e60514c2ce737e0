// vibed rm: an app and its sources are gone.
#include <fmt/format.h>

#include "commands.hpp"
#include "remote.hpp"

namespace vibed::cli {
namespace {

Status rm(const Invocation& invocation) {
  auto client = connect(invocation);
  const std::string app = invocation.text("APP");
  auto removed = call(*client, "DELETE", app_path(app));
  if (!removed) return std::move(removed).error();
  if (invocation.has("json")) {
    print_json({{"app_id", app}, {"removed", true}});
  } else {
    fmt::print("{} is removed\n", app);
  }
  return success();
}

}  // namespace

Command rm_command() {
  return {
      .name = "rm",
      .summary = "remove an app with all its versions",
      .options = remote_options(true),
      .positionals = {{"APP", "its name"}},
      .run = [](const Invocation& invocation) { return told_as_json(invocation, rm(invocation)); }};
}

}  // namespace vibed::cli
