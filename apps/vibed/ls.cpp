// vibed ls: the apps there are.
#include <fmt/format.h>

#include "commands.hpp"
#include "remote.hpp"
#include "terminal.hpp"

namespace vibed::cli {
namespace {

std::vector<std::string> row_of(const Json& app) {
  const Json runtime = app.value("runtime", Json::object());
  std::string note = outcome_of(app) == Outcome::serving ? "" : why(app);
  note = note.substr(0, note.find('\n'));
  return {text_of(app, "app_id"),
          text_of(app, "phase"),
          text_of(app, "url"),
          text_of(runtime, "template"),
          text_of(app, "last_deployed_at"),
          note};
}

Status ls(const Invocation& invocation) {
  auto client = connect(invocation);
  auto page = call(*client, "GET", "/v1/apps");
  if (!page) return std::move(page).error();
  if (invocation.has("json")) {
    print_json(*page);
    return success();
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& app : page->value("items", Json::array())) rows.push_back(row_of(app));
  if (rows.empty()) {
    fmt::print("No apps yet. Deploy one with: vibed deploy DIR\n");
  } else {
    print_table({"NAME", "PHASE", "URL", "RUNTIME", "DEPLOYED", "NOTE"}, rows);
  }
  return success();
}

}  // namespace

Command ls_command() {
  return {
      .name = "ls",
      .summary = "list the apps",
      .options = remote_options(true),
      .run = [](const Invocation& invocation) { return told_as_json(invocation, ls(invocation)); }};
}

}  // namespace vibed::cli
