// vibed suspend and resume.
#include "commands.hpp"
#include "remote.hpp"

namespace vibed::cli {
namespace {

constexpr int kWaitSeconds = 120;

Status change(const Invocation& invocation, const std::string& verb) {
  auto client = connect(invocation);
  const std::string app = invocation.text("APP");
  auto changed = call(*client, "POST", app_path(app) + "/" + verb);
  if (!changed) return std::move(changed).error();
  auto settled = settle(*client, app, kWaitSeconds);
  if (!settled) return std::move(settled).error();
  return conclude(invocation, *client, *settled);
}

Command command(const std::string& verb, const std::string& summary) {
  return {.name = verb,
          .summary = summary,
          .options = remote_options(true),
          .positionals = {{"APP", "its name"}},
          .run = [verb](const Invocation& invocation) {
            return told_as_json(invocation, change(invocation, verb));
          }};
}

}  // namespace

Command suspend_command() {
  return command("suspend", "stop an app; it keeps its address and its versions");
}

Command resume_command() { return command("resume", "start a suspended app again"); }

}  // namespace vibed::cli
