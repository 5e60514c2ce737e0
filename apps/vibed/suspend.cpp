// vibed suspend and resume.
#include "commands.hpp"
#include "remote.hpp"

namespace vibed::cli {
namespace {

// `past`: what the app is until vibed has seen the change.
Status change(const Invocation& invocation, const std::string& verb, Outcome past) {
  auto client = connect(invocation);
  const std::string app = invocation.text("APP");
  auto changed = call(*client, "POST", app_path(app) + "/" + verb);
  if (!changed) return std::move(changed).error();
  auto settled = settle(*client, app, past);
  if (!settled) return std::move(settled).error();
  return conclude(invocation, *client, *settled);
}

Command command(const std::string& verb, Outcome past, const std::string& summary) {
  return {.name = verb,
          .summary = summary,
          .options = remote_options(true),
          .positionals = {{"APP", "its name"}},
          .run = [verb, past](const Invocation& invocation) {
            return told_as_json(invocation, change(invocation, verb, past));
          }};
}

}  // namespace

Command suspend_command() {
  return command("suspend", Outcome::serving, "stop an app; it keeps its address and its versions");
}

Command resume_command() {
  return command("resume", Outcome::suspended, "start a suspended app again");
}

}  // namespace vibed::cli
