// vibed deploy: a folder, or an archive of one, to a live URL.
#include <fmt/format.h>

#include <charconv>

#include "browser.hpp"
#include "commands.hpp"
#include "places.hpp"
#include "remote.hpp"
#include "terminal.hpp"

namespace vibed::cli {
namespace {

using Stage = DeployProgress::Stage;

Result<Json> metadata_of(const Invocation& invocation, const std::string& path) {
  Json metadata = {{"name", invocation.text("name", name_from_path(path))}};
  for (const char* key : {"lane", "template", "entrypoint"}) {
    if (invocation.has(key)) metadata["runtime"][key] = invocation.text(key);
  }
  for (const auto& pair : invocation.all("env")) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return usage_error("--env is NAME=VALUE, not " + pair);
    }
    metadata["env"].push_back(
        {{"name", pair.substr(0, equals)}, {"value", pair.substr(equals + 1)}});
  }
  return metadata;
}

Result<std::chrono::seconds> deadline_of(const Invocation& invocation) {
  const std::string text = invocation.text("timeout", "300");
  int seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < 1) {
    return usage_error("--timeout is a number of seconds, not " + text);
  }
  return std::chrono::seconds(seconds);
}

// Shows a deploy's progress; each phase leaves a line behind.
class Story {
 public:
  explicit Story(ProgressLine& line) : line_(line) {}

  void operator()(const DeployProgress& progress) {
    switch (progress.stage) {
      case Stage::packing: line_.show("packing    " + size_text(progress.done)); break;
      case Stage::uploading:
        total_ = progress.total;
        line_.bar("uploading", progress.done, progress.total);
        break;
      case Stage::waiting:
        line_.tell("uploaded   " + size_text(total_));
        line_.show("starting");
        break;
      case Stage::phase: tell_phase(progress); break;
    }
  }

 private:
  void tell_phase(const DeployProgress& progress) {
    if (progress.phase == "Ready" || progress.phase == "Failed") return;  // the end tells it
    const std::string message = progress.message.substr(0, progress.message.find('\n'));
    line_.tell(fmt::format("{:<10} {}", progress.phase, message));
  }

  ProgressLine& line_;
  std::uint64_t total_ = 0;
};

// What was found out about the app, before the URL.
void tell_plan(const Json& app) {
  const auto runtime = app.find("runtime");
  if (runtime != app.end()) {
    const std::string version = text_of(*runtime, "version");
    const std::string name = text_of(*runtime, "template");
    if (!name.empty()) {
      fmt::print(stderr, "runtime    {}{}\n", name, version.empty() ? "" : " (" + version + ")");
    }
  }
  const std::string command = text_of(app, "start_command");
  if (!command.empty()) fmt::print(stderr, "started    {}\n", command);
}

Status run_deploy(const Invocation& invocation) {
  const std::string path = invocation.text("DIR|FILE.tgz", ".");
  auto metadata = metadata_of(invocation, path);
  if (!metadata) return std::move(metadata).error();
  auto deadline = deadline_of(invocation);
  if (!deadline) return std::move(deadline).error();

  auto client = connect(invocation);
  ProgressLine line(invocation.has("json"));
  Story story(line);
  auto answer = client->deploy({.path = path,
                                .metadata_json = metadata->dump(),
                                .progress = [&](const DeployProgress& p) { story(p); }},
                               *deadline, {});
  line.clear();
  if (!answer) return std::move(answer).error();
  const Json app = Json::parse(*answer, nullptr, false);
  if (!app.is_object()) return Error{Errc::unavailable, "the answer is not vibed's"};
  if (!invocation.has("json")) tell_plan(app);
  Status concluded = conclude(invocation, *client, app);
  if (concluded && invocation.has("open")) return open_in_browser(text_of(app, "url"));
  return concluded;
}

}  // namespace

Command deploy_command() {
  auto options = remote_options(true);
  options.insert(options.begin(),
                 {{"--name", "NAME", "the app's name; that of the folder"},
                  {"--env", "NAME=VALUE", "set an environment variable; may be repeated", true},
                  {"--template", "NAME", "the runtime, instead of the one found out"},
                  {"--lane", "LANE", "fast or general"},
                  {"--entrypoint", "COMMAND", "how to start it"},
                  {"--timeout", "SECONDS", "how long to wait until it is ready; 300"},
                  {"--open", "", "open it in the browser"}});
  return {.name = "deploy",
          .summary = "make a folder live, or a new version of it",
          .details =
              "What .vibedignore and .gitignore name stays behind. The URL is printed to "
              "standard output, everything else to standard error.",
          .options = options,
          .positionals = {{"DIR|FILE.tgz", "what to deploy; the current folder", false}},
          .run = [](const Invocation& invocation) {
            return told_as_json(invocation, run_deploy(invocation));
          }};
}

}  // namespace vibed::cli
