// vibed-router: keeps the Caddy beside it configured. All of it is in libvibed.
#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <iterator>

#include "vibed/cluster_options.hpp"
#include "vibed/router.hpp"

namespace vibed {
namespace {

Result<std::string> text_of(const std::string& file) {
  if (file.empty()) return std::string();
  std::ifstream stream(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (!stream && text.empty()) return usage_error("cannot read " + file);
  return text;
}

Result<int> port_of(const std::string& text) {
  int port = 0;
  const char* end = text.data() + text.size();
  const auto [last, wrong] = std::from_chars(text.data(), end, port);
  if (wrong != std::errc() || last != end) return usage_error("--https-port is no port: " + text);
  return port;
}

// Where the waiting room is by default: at vibed's Service beside this pod.
std::string waiting_room(const Invocation& invocation, const std::string& cluster_domain) {
  const std::string space = invocation.variable("POD_NAMESPACE");
  return invocation.text(
      "waiting-room", space.empty() ? "" : "vibed." + space + ".svc." + cluster_domain + ":8090");
}

Status run(const Invocation& invocation) {
  RouterOptions options;
  options.run = invocation.text("caddy-run", options.run);
  options.listen = invocation.text("listen", options.listen);
  options.domain = invocation.text("vibed-domain", options.domain);
  options.pool_namespace =
      invocation.text("pool-namespace", invocation.config.deployment.apps_namespace);
  options.cluster_domain = invocation.text("cluster-domain", options.cluster_domain);
  options.waiting_room = waiting_room(invocation, options.cluster_domain);
  options.layout = invocation.text("layout", invocation.config.route.layout);
  auto tls = text_of(invocation.text("tls"));
  if (!tls) return std::move(tls).error();
  options.tls = *std::move(tls);
  auto storage = text_of(invocation.text("caddy-storage"));
  if (!storage) return std::move(storage).error();
  options.storage = *std::move(storage);
  options.redirect = invocation.text("redirect");
  auto port = port_of(invocation.text("https-port", "443"));
  if (!port) return std::move(port).error();
  options.https_port = *port;
  options.cluster = cluster_access(invocation);
  options.metrics_address = invocation.text("metrics-bind-address", options.metrics_address);
  options.probes_address = invocation.text("health-probe-bind-address", options.probes_address);
  auto router = Router::open(options);
  if (!router) return std::move(router).error();
  wait_for_stop();
  (*router)->close();
  return success();
}

Command run_command() {
  return {.name = "run",
          .summary = "keep Caddy configured until told to stop; the command when none is named",
          .details =
              "Caddy is another container of the same pod; it is started with what `vibed-router "
              "bootstrap` prints, and its admin API is a socket in a folder that both share.",
          .options = with_cluster_options(
              {{"--caddy-run", "DIR", "the folder of Caddy's caddy-admin.sock; /run/vibed"},
               {"--listen", "ADDRESS", "where Caddy serves the apps; :8080"},
               {"--vibed-domain", "DOMAIN", "apps are at <label>.DOMAIN; vibed.example.com"},
               {"--pool-namespace", "NAMESPACE", "of the apps' Services; vibed-apps"},
               {"--cluster-domain", "DOMAIN", "of Services; cluster.local"},
               {"--waiting-room", "HOST:PORT", "vibed's; vibed.$POD_NAMESPACE.svc:8090"},
               {"--layout", "LAYOUT", "wildcard or per-app, which reads records; wildcard"},
               {"--tls", "FILE", "Caddy's app tls as JSON, for https; plain http"},
               {"--redirect", "ADDRESS", "where http is served too, to lead to https; nowhere"},
               {"--https-port", "PORT", "of the URLs that it leads to; 443"},
               {"--caddy-storage", "FILE",
                "Caddy's storage module as JSON, for certificates; its own folder"},
               {"--metrics-bind-address", "ADDRESS", "/metrics; :8083, 0 for none"},
               {"--health-probe-bind-address", "ADDRESS", "/healthz, /readyz; :8084, 0 for none"}}),
          .run = run,
          .takes_config = true,
          .serves = true};
}

Status bootstrap(const Invocation& invocation) {
  fmt::print("{}", caddy_bootstrap(invocation.text("caddy-run", RouterOptions().run)));
  return success();
}

Command bootstrap_command() {
  return {.name = "bootstrap",
          .summary = "print the configuration that Caddy is to be started with",
          .options = {{"--caddy-run", "DIR", "the folder of Caddy's caddy-admin.sock; /run/vibed"}},
          .run = bootstrap};
}

}  // namespace
}  // namespace vibed

int main(int argc, char** argv) {
  const vibed::Program program{.name = "vibed-router",
                               .summary = "Leads visitors to the apps of vibed on Kubernetes",
                               .commands = {vibed::run_command(), vibed::bootstrap_command()},
                               .default_command = "run"};
  return vibed::run_program(program, argc, argv);
}
