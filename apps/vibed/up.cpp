// vibed up: everything on this machine, until it is told to stop.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "commands.hpp"
#include "places.hpp"
#include "remote.hpp"
#include "terminal.hpp"
#include "vibed/engine.hpp"

namespace vibed::cli {
namespace {

void announce(const Invocation& invocation, const Engine& engine) {
  if (invocation.has("json")) {
    print_json({{"api", engine.api_url()}, {"apps", engine.apps_url()}});
  } else {
    fmt::print(
        "vibed is up.\n  API   {}\n  apps  {}\nDeploy with: vibed deploy DIR. Ctrl-C ends "
        "{}.\n",
        engine.api_url(), engine.apps_url(),
        invocation.has("keep-apps") ? "vibed; apps keep running" : "everything");
  }
  std::fflush(stdout);
}

Status up(const Invocation& invocation) {
  EngineOptions options;
  options.data = data_folder(invocation);
  options.config = invocation.config;
  options.keep_apps = invocation.has("keep-apps");
  options.divide_cgroup = true;
  options.agent = invocation.variable("VIBED_AGENT");
  options.templates = invocation.variable("VIBED_TEMPLATES");
  options.search_path = invocation.variable("PATH");
  auto& config = options.config;
  config.server.http_addr = invocation.text("api", config.server.http_addr);
  config.apps.listen = invocation.text("apps", config.apps.listen);
  ProgressLine line(false);
  options.progress = [&](std::string_view what) { line.show(std::string(what)); };
  auto engine = Engine::open(options);
  line.clear();
  if (!engine) return std::move(engine).error();
  announce(invocation, **engine);
  wait_for_stop();
  line.show("ending what was started");
  return (*engine)->close();
}

}  // namespace

Command up_command() {
  return {.name = "up",
          .summary = "start vibed on this machine and stay up until Ctrl-C",
          .details =
              "Port 0 takes any free port. With --json the first line of output, printed when "
              "everything answers, is {\"api\",\"apps\"}.",
          .options = {{"--data", "DIR", "where all state lives"},
                      {"--api", "ADDRESS", "where the API listens; 127.0.0.1:8080"},
                      {"--apps", "ADDRESS", "where the apps are served; 127.0.0.1:18080"},
                      {"--keep-apps", "", "leave the apps running at the end"},
                      {"--json", "", "print where things are as JSON"}},
          .run = up,
          .takes_config = true,
          .serves = true};
}

}  // namespace vibed::cli
