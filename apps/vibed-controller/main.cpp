// vibed-controller: gives every app of a Kubernetes cluster its sandbox. All of it is in libvibed.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>

#include "vibed/cluster_options.hpp"
#include "vibed/controller.hpp"
#include "vibed/program.hpp"

namespace vibed {
namespace {

Result<int> number_of(const Invocation& invocation, const std::string& name, int otherwise) {
  const std::string text = invocation.text(name);
  if (text.empty()) return otherwise;
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0)
    return usage_error("--" + name + " is a number, not " + text);
  return value;
}

// Where the API is by default: its Service beside this pod.
std::string source_url(const Invocation& invocation) {
  const std::string space = invocation.variable("POD_NAMESPACE");
  return invocation.text("source-url",
                         space.empty() ? "" : "http://vibed." + space + ".svc.cluster.local:8080");
}

Status fill_numbers(const Invocation& invocation, ControllerOptions& options) {
  struct Number {
    const char* name;
    int* value;
  };
  int duration = 15;
  int deadline = 10;
  int period = 2;
  int lifetime = 600;
  for (const Number& each :
       {Number{"app-url-port", &options.url_port}, Number{"spares", &options.spares_least},
        Number{"spares-most", &options.spares_most}, Number{"spare-lifetime", &lifetime},
        Number{"booting-most", &options.booting_most}, Number{"workers", &options.workers},
        Number{"leader-elect-lease-duration", &duration},
        Number{"leader-elect-renew-deadline", &deadline},
        Number{"leader-elect-retry-period", &period}}) {
    auto value = number_of(invocation, each.name, *each.value);
    if (!value) return std::move(value).error();
    *each.value = *value;
  }
  if (options.booting_most == 0) return usage_error("--booting-most is at least 1");
  if (options.workers == 0) return usage_error("--workers is at least 1");
  if (lifetime < 5) return usage_error("--spare-lifetime is at least 5");
  options.spare_lifetime = std::chrono::seconds(lifetime);
  options.lease_duration = std::chrono::seconds(duration);
  options.renew_deadline = std::chrono::seconds(deadline);
  options.retry_period = std::chrono::seconds(period);
  return success();
}

// From the bucket that the configuration names; else they are fetched from the API.
Status fill_sources(const Invocation& invocation, ControllerOptions& options) {
  options.source_url = source_url(invocation);
  const Config::Storage& storage = invocation.config.storage;
  if (storage.delivery == "pull") options.pull_for = storage.s3_presign_ttl;
  if (storage.backend != "s3") return success();
  auto sources = open_configured_source_store(invocation.config, invocation.environment, "");
  if (!sources) return std::move(sources).error().during("open the sources");
  options.sources = *std::move(sources);
  return success();
}

Status run(const Invocation& invocation) {
  ControllerOptions options;
  options.cluster = cluster_access(invocation);
  auto secret = install_secret(invocation);
  if (!secret) return std::move(secret).error();
  options.install_secret = *std::move(secret);
  if (Status filled = fill_sources(invocation, options); !filled) return filled;
  options.pool_namespace =
      invocation.text("pool-namespace", invocation.config.deployment.apps_namespace);
  options.domain = invocation.text("vibed-domain", options.domain);
  options.url_scheme = invocation.text("app-url-scheme", options.url_scheme);
  options.start_timeout = invocation.config.deployment.ready_timeout;
  options.metrics_address = invocation.text("metrics-bind-address", options.metrics_address);
  options.probes_address = invocation.text("health-probe-bind-address", options.probes_address);
  options.leader_elect = invocation.has("leader-elect");
  options.lease_namespace =
      invocation.text("leader-elect-namespace", invocation.variable("POD_NAMESPACE"));
  options.identity = invocation.variable("POD_NAME");
  if (Status filled = fill_numbers(invocation, options); !filled) return filled;
  auto controller = Controller::open(options);
  if (!controller) return std::move(controller).error();
  wait_for_stop();
  (*controller)->close();
  return success();
}

Command run_command() {
  return {
      .name = "run",
      .summary = "give every app its sandbox until told to stop; the command when none is named",
      .details =
          "The install secret, at least 32 bytes, is the same for every part of one "
          "installation: $VIBED_INSTALL_SECRET or --install-secret-file.",
      .options = with_cluster_options(
          {{"--vibed-domain", "DOMAIN", "apps are at <label>.DOMAIN; vibed.example.com"},
           {"--app-url-scheme", "SCHEME", "of apps' URLs, http or https; https"},
           {"--app-url-port", "PORT", "of apps' URLs; none"},
           {"--pool-namespace", "NAMESPACE", "of apps and warm pools; vibed-apps"},
           {"--source-url", "URL", "the API, where sources are; vibed.$POD_NAMESPACE.svc:8080"},
           install_secret_option(),
           {"--metrics-bind-address", "ADDRESS", "/metrics; :8081, 0 for none"},
           {"--health-probe-bind-address", "ADDRESS", "/healthz, /readyz; :8082, 0 for none"},
           {"--leader-elect", "", "of several controllers one acts at a time"},
           {"--leader-elect-namespace", "NAMESPACE", "of the Lease; $POD_NAMESPACE"},
           {"--leader-elect-lease-duration", "SECONDS", "after which others take over; 15"},
           {"--leader-elect-renew-deadline", "SECONDS", "after which the leader stops; 10"},
           {"--leader-elect-retry-period", "SECONDS", "between attempts; 2"},
           {"--spares", "N", "bound claims kept of each template; 1"},
           {"--spares-most", "N", "the same when many are deployed; 10"},
           {"--spare-lifetime", "SECONDS", "after which one ends that nobody looks after; 600"},
           {"--booting-most", "N",
            "apps of a template that wait for a pod at once; owners take turns; 32"},
           {"--workers", "N", "apps moved at once; 8"}}),
      .run = run,
      .takes_config = true,
      .serves = true};
}

Status install(const Invocation& invocation) {
  InstallCrdsOptions options;
  options.cluster = cluster_access(invocation);
  options.folder = invocation.text("crds");
  if (options.folder.empty()) return usage_error("--crds is missing: the folder of definitions");
  auto timeout = number_of(invocation, "timeout", 60);
  if (!timeout) return std::move(timeout).error();
  options.timeout = std::chrono::seconds(*timeout);
  auto names = install_crds(options);
  if (!names) return std::move(names).error();
  for (const std::string& name : *names) fmt::print("{}\n", name);
  return success();
}

Command install_crds_command() {
  return {.name = "install-crds",
          .summary = "bring vibed's custom resource definitions into the cluster, or up to date",
          .details = "By server-side apply; waits until they are served. Apps that are there stay.",
          .options =
              with_cluster_options({{"--crds", "DIR", "the folder of definitions, *.yaml"},
                                    {"--timeout", "SECONDS", "to wait until they are served; 60"}}),
          .run = install};
}

}  // namespace
}  // namespace vibed

int main(int argc, char** argv) {
  const vibed::Program program{.name = "vibed-controller",
                               .summary = "Runs the apps of vibed on Kubernetes",
                               .commands = {vibed::run_command(), vibed::install_crds_command()},
                               .default_command = "run"};
  return vibed::run_program(program, argc, argv);
}
