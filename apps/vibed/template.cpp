// vibed template ls: the runtimes of the vibed that runs.
#include "commands.hpp"
#include "remote.hpp"
#include "terminal.hpp"

namespace vibed::cli {
namespace {

std::vector<std::string> row_of(const Json& item) {
  const bool available = item.value("available", false);
  return {text_of(item, "name"), text_of(item, "lane"),
          available ? text_of(item, "runtime_version") : "not available",
          std::to_string(number_of(item, "ready")) + "/" +
              std::to_string(number_of(item, "warm_pool_size")),
          available ? text_of(item, "description") : text_of(item, "message")};
}

Status ls(const Invocation& invocation) {
  auto client = connect(invocation);
  auto answer = call(*client, "GET", "/v1/templates");
  if (!answer) return std::move(answer).error();
  if (invocation.has("json")) {
    print_json(*answer);
    return success();
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& item : answer->value("items", Json::array())) rows.push_back(row_of(item));
  print_table({"NAME", "LANE", "RUNS", "WARM", ""}, rows);
  return success();
}

}  // namespace

Command template_command() {
  Command list{
      .name = "ls",
      .summary = "list the runtimes, their versions and warm sandboxes",
      .options = remote_options(true),
      .run = [](const Invocation& invocation) { return told_as_json(invocation, ls(invocation)); }};
  return {.name = "template", .summary = "the runtimes apps run on", .commands = {list}};
}

}  // namespace vibed::cli
