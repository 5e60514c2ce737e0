// vibed versions and rollback.
#include <fmt/format.h>

#include <charconv>

#include "commands.hpp"
#include "remote.hpp"
#include "terminal.hpp"

namespace vibed::cli {
namespace {

Result<Json> versions_of(Client& client, const std::string& app) {
  auto answer = call(client, "GET", app_path(app) + "/versions");
  if (!answer) return answer;
  return answer->value("items", Json::array());
}

std::vector<std::string> row_of(const Json& version) {
  const std::int64_t from = number_of(version, "rolled_back_from");
  return {std::to_string(number_of(version, "version")), text_of(version, "timestamp"),
          text_of(version, "template"), text_of(version, "source_hash").substr(0, 12),
          from == 0 ? "" : "back to " + std::to_string(from)};
}

Status versions(const Invocation& invocation) {
  auto client = connect(invocation);
  auto items = versions_of(*client, invocation.text("APP"));
  if (!items) return std::move(items).error();
  if (invocation.has("json")) {
    print_json({{"items", *items}});
    return success();
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& item : *items) rows.push_back(row_of(item));
  print_table({"VERSION", "DEPLOYED", "RUNTIME", "SOURCE", "NOTE"}, rows);
  return success();
}

// The version given, else the one before the newest.
Result<std::int64_t> wanted_version(const Invocation& invocation, Client& client) {
  const std::string text = invocation.text("VERSION");
  if (text.empty()) {
    auto items = versions_of(client, invocation.text("APP"));
    if (!items) return std::move(items).error();
    if (items->size() > 1) return number_of((*items)[1], "version");
    return Error{Errc::not_found, invocation.text("APP") + " has no version before this one"};
  }
  std::int64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc() || end != text.data() + text.size()) {
    return usage_error("VERSION is a number, not " + text);
  }
  return version;
}

Status rollback(const Invocation& invocation) {
  auto client = connect(invocation);
  const std::string app = invocation.text("APP");
  auto version = wanted_version(invocation, *client);
  if (!version) return std::move(version).error();
  const Json body = {{"version", *version}};
  auto done = call(*client, "POST", app_path(app) + "/rollback", body.dump());
  if (!done) return std::move(done).error();
  auto settled = settle(*client, app, Outcome::suspended);
  if (!settled) return std::move(settled).error();
  return conclude(invocation, *client, *settled);
}

}  // namespace

Command versions_command() {
  return {.name = "versions",
          .summary = "list the versions of an app that can be rolled back to",
          .options = remote_options(true),
          .positionals = {{"APP", "its name"}},
          .run = [](const Invocation& invocation) {
            return told_as_json(invocation, versions(invocation));
          }};
}

Command rollback_command() {
  return {.name = "rollback",
          .summary = "serve an older version again",
          .options = remote_options(true),
          .positionals = {{"APP", "its name"}, {"VERSION", "the one before the newest", false}},
          .run = [](const Invocation& invocation) {
            return told_as_json(invocation, rollback(invocation));
          }};
}

}  // namespace vibed::cli
