// vibed serve: the API of vibed on Kubernetes, until it is told to stop.
#include <fmt/format.h>

#include <cstdio>

#include "commands.hpp"
#include "remote.hpp"
#include "vibed/cluster_options.hpp"
#include "vibed/server.hpp"

namespace vibed::cli {
namespace {

void announce(const Invocation& invocation, const Server& server) {
  if (invocation.has("json")) {
    print_json({{"api", "http://" + server.api_address()},
                {"waiting_room", server.waiting_room_address()}});
  } else {
    fmt::print("vibed serves.\n  API           {}\n  waiting room  {}\n", server.api_address(),
               server.waiting_room_address());
  }
  std::fflush(stdout);
}

Status serve(const Invocation& invocation) {
  ServerOptions options;
  auto secret = install_secret(invocation);
  if (!secret) return std::move(secret).error();
  options.install_secret = *std::move(secret);
  options.cluster = cluster_access(invocation);
  options.config = invocation.config;
  options.config.server.http_addr = invocation.text("api", options.config.server.http_addr);
  options.data = invocation.text("data", options.data);
  options.waiting_room = invocation.text("waiting-room", options.waiting_room);
  auto server = Server::open(options);
  if (!server) return std::move(server).error();
  announce(invocation, **server);
  wait_for_stop();
  (*server)->close();
  return success();
}

}  // namespace

Command serve_command() {
  return {.name = "serve",
          .summary = "serve the API of vibed on Kubernetes until told to stop",
          .details =
              "vibed-controller beside it runs the apps. The install secret, at least 32 bytes, is "
              "the same for both: $VIBED_INSTALL_SECRET or --install-secret-file. With --json the "
              "first line of output, printed when everything answers, is "
              "{\"api\",\"waiting_room\"}.",
          .options = with_cluster_options(
              {{"--api", "ADDRESS", "where the API listens; 127.0.0.1:8080"},
               {"--waiting-room", "ADDRESS", "where Caddy sends what no app answers; :8090"},
               {"--data", "DIR", "for uploads, and sources that are served; /data/vibed"},
               install_secret_option(),
               {"--json", "", "print where things are as JSON"}}),
          .run = serve,
          .takes_config = true,
          .serves = true};
}

}  // namespace vibed::cli
