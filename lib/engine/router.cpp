// The composition of the router: an edge, and in the per-app layout the records it follows.
#include "vibed/router.hpp"

#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/kubernetes_app_store.hpp"
#include "base/error_codes.hpp"
#include "engine/open_cluster.hpp"
#include "engine/probes.hpp"
#include "engine/route_follower.hpp"
#include "observe/metrics.hpp"
#include "route/edge.hpp"

namespace vibed {
namespace {

constexpr auto kSyncTimeout = std::chrono::seconds(60);

// Words of Caddy that an operator gave; null for none.
Result<nlohmann::json> caddys_words(const std::string& text, const char* what) {
  if (text.empty()) return nlohmann::json();
  auto words = nlohmann::json::parse(text, nullptr, false);
  if (words.is_object()) return words;
  return make_error("bad_config", std::string(what) + " is not a JSON object");
}

Result<route::FrontDoorPlan> plan_of(const RouterOptions& options) {
  const auto wrong = [](const std::string& what) { return make_error("bad_config", what); };
  route::FrontDoorPlan plan;
  if (options.layout != "wildcard" && options.layout != "per-app") {
    return wrong("the layout is wildcard or per-app, not " + options.layout);
  }
  plan.layout = options.layout == "per-app" ? route::Layout::per_app : route::Layout::wildcard;
  plan.listen = options.listen;
  plan.domain = options.domain;
  plan.run = options.run;
  plan.version = {2, 11, 0};  // what the chart runs; older ones lack nothing but held bodies
  // With the last dot no search domain of the pod is tried first, which would be three more lookups
  // for each request.
  plan.upstream =
      "vibed-app-{label}." + options.pool_namespace + ".svc." + options.cluster_domain + ".:80";
  plan.waiting_room = options.waiting_room;
  if (options.try_duration.count() <= 0) return wrong("try-duration is not positive");
  plan.try_duration = std::to_string(options.try_duration.count()) + "ms";
  auto tls = caddys_words(options.tls, "tls, Caddy's app of that name,");
  if (!tls) return std::move(tls).error();
  plan.tls = *std::move(tls);
  auto storage = caddys_words(options.storage, "storage, Caddy's module for it,");
  if (!storage) return std::move(storage).error();
  plan.storage = *std::move(storage);
  plan.redirect = options.redirect;
  if (options.https_port < 1 || options.https_port > 65535) return wrong("https-port is no port");
  plan.https_port = options.https_port;
  return plan;
}

class ClusterRouter final : public Router {
 public:
  explicit ClusterRouter(RouterOptions options) : options_(std::move(options)) {}
  ~ClusterRouter() override { close(); }

  Status start();

  std::string metrics_address() const override {
    return metrics_server_ ? metrics_server_->address() : "";
  }
  std::string probes_address() const override { return probes_ ? probes_->address() : ""; }
  void close() override;

 private:
  Status follow_records();
  Status start_servers();
  std::vector<api::Component> components();

  const RouterOptions options_;
  std::once_flag closed_;

  // In the order they are opened; destroyed the other way round.
  observe::Metrics metrics_;
  std::unique_ptr<route::Edge> edge_;
  std::unique_ptr<kube::Client> client_;
  std::unique_ptr<KubernetesAppStore> apps_;
  std::unique_ptr<RouteFollower> follower_;
  std::unique_ptr<http::Server> metrics_server_;
  std::unique_ptr<http::Server> probes_;
};

Status ClusterRouter::start() {
  auto plan = plan_of(options_);
  if (!plan) return std::move(plan).error();
  auto edge = route::Edge::start({.plan = *std::move(plan)});
  if (!edge) return std::move(edge).error();
  edge_ = *std::move(edge);
  if (options_.layout == "per-app") {
    if (Status follows = follow_records(); !follows) return follows;
  }
  return start_servers();
}

Status ClusterRouter::follow_records() {
  auto client = open_cluster(options_.cluster, "vibed-router", &metrics_);
  if (!client) return std::move(client).error();
  client_ = *std::move(client);
  auto apps = open_kubernetes_app_store(
      *client_, {.space = options_.pool_namespace, .sync_timeout = kSyncTimeout});
  if (!apps) return std::move(apps).error().during("read the records of apps");
  apps_ = *std::move(apps);
  follower_ = RouteFollower::start(*apps_, edge_->routes());
  return success();
}

Status ClusterRouter::start_servers() {
  auto metrics = serve_metrics(options_.metrics_address, [this] { return metrics_.text(); });
  if (!metrics) return std::move(metrics).error();
  metrics_server_ = *std::move(metrics);
  auto probes = serve_probes(options_.probes_address, [this] { return components(); });
  if (!probes) return std::move(probes).error();
  probes_ = *std::move(probes);
  return success();
}

std::vector<api::Component> ClusterRouter::components() {
  route::EdgeCondition condition = edge_->condition();
  std::vector<api::Component> parts = {{"caddy", condition.serving, condition.message}};
  if (!options_.tls.empty())
    parts.push_back({"certificate", condition.certificate.empty(), condition.certificate});
  if (apps_)
    parts.push_back(watched("records", seconds_since(apps_->deaf_since()), options_.deaf_after));
  return parts;
}

void ClusterRouter::close() {
  std::call_once(closed_, [this] {
    if (probes_) probes_->stop();
    if (metrics_server_) metrics_server_->stop();
    follower_.reset();
    edge_.reset();
  });
}

}  // namespace

Result<std::unique_ptr<Router>> Router::open(const RouterOptions& options) {
  auto router = std::make_unique<ClusterRouter>(options);
  if (Status started = router->start(); !started) return std::move(started).error();
  return std::unique_ptr<Router>(std::move(router));
}

std::string caddy_bootstrap(const std::string& run) {
  return route::edge_bootstrap(run).dump(1) + "\n";
}

}  // namespace vibed
