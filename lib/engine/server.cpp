// The composition of the API server: records and sandboxes seen in the cluster, sources, the API.
#include "vibed/server.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "api/api.hpp"
#include "api/waiting_room.hpp"
#include "app/kubernetes_app_store.hpp"
#include "auth/authenticator.hpp"
#include "base/error_codes.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "claims/claim_view.hpp"
#include "claims/names.hpp"
#include "engine/open_cluster.hpp"
#include "engine/probes.hpp"
#include "http/server.hpp"
#include "observe/metrics.hpp"
#include "service/service.hpp"
#include "service/sweep_sources.hpp"
#include "vibed/source_store.hpp"

namespace vibed {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

// A source without a record is a deploy under way, or one that was killed.
constexpr auto kOrphanAge = 24h;
constexpr auto kSweepInterval = 1h;

class ClusterServer final : public Server {
 public:
  explicit ClusterServer(ServerOptions options) : options_(std::move(options)) {}
  ~ClusterServer() override { close(); }

  Status start();

  std::string api_address() const override { return api_ ? api_->address() : ""; }
  std::string waiting_room_address() const override {
    return waiting_room_ ? waiting_room_->address() : "";
  }
  void close() override;

 private:
  Status open_cluster_parts();
  Status open_sources();
  Status start_waiting_room();
  Status start_api();
  std::vector<api::Component> components();
  void sweep(const std::stop_token& stop);

  std::string spool() const { return options_.data + "/spool"; }

  const ServerOptions options_;
  std::once_flag closed_;

  // In the order they are opened; destroyed the other way round.
  observe::Metrics metrics_;
  auth::Authenticator authenticator_;
  std::unique_ptr<kube::Client> client_;
  std::unique_ptr<KubernetesAppStore> apps_;
  std::unique_ptr<claims::ClaimView> sandboxes_;
  std::unique_ptr<SourceStore> sources_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<http::Server> waiting_room_;
  std::unique_ptr<http::Server> api_;
  std::mutex mutex_;
  std::condition_variable_any stopping_;
  std::jthread sweeper_;
};

Status ClusterServer::start() {
  if (Status enough = claims::check_install_secret(options_.install_secret); !enough) return enough;
  if (Status safe = auth::check_exposure(options_.config); !safe) return safe;
  auto authenticator = auth::Authenticator::make(options_.config.auth);
  if (!authenticator) return std::move(authenticator).error();
  authenticator_ = *std::move(authenticator);
  if (!authenticator_.enabled() && options_.config.auth.dev_insecure) {
    log::warn("auth is off: whoever reaches the API is admin", {});
  }
  if (Status made = make_directories(spool(), 0700); !made) return made;
  for (auto part : {&ClusterServer::open_sources, &ClusterServer::open_cluster_parts,
                    &ClusterServer::start_waiting_room, &ClusterServer::start_api}) {
    if (Status done = (this->*part)(); !done) return done;
  }
  sweeper_ = std::jthread([this](const std::stop_token& stop) { sweep(stop); });
  return success();
}

Status ClusterServer::open_sources() {
  auto opened = open_configured_source_store(options_.config, options_.cluster.environment,
                                             options_.data + "/sources");
  if (!opened) return std::move(opened).error().during("open sources");
  sources_ = *std::move(opened);
  return success();
}

Status ClusterServer::open_cluster_parts() {
  auto client = open_cluster(options_.cluster, "vibed", &metrics_);
  if (!client) return std::move(client).error();
  client_ = *std::move(client);

  const std::string& space = options_.config.deployment.apps_namespace;
  auto apps =
      open_kubernetes_app_store(*client_, {.space = space, .sync_timeout = options_.sync_timeout});
  if (!apps) return std::move(apps).error().during("read the records of apps");
  apps_ = *std::move(apps);
  sandboxes_ = claims::open_claim_view(*client_, {.space = space,
                                                  .install_secret = options_.install_secret,
                                                  .agent_port = options_.agent_port});
  Status known = sandboxes_->wait_synced({}, Steady::now() + options_.sync_timeout);
  if (!known) return std::move(known).error().during("read the claims of the cluster");

  ServiceOptions limits;
  const Config::Limits& wanted = options_.config.limits;
  limits.limits.packed_bytes = static_cast<std::uint64_t>(wanted.max_total_file_size);
  limits.log_streams_per_user = wanted.max_concurrent_log_streams_per_user;
  limits.log_streams = wanted.max_concurrent_log_streams_global;
  service_ = std::make_unique<Service>(*apps_, *sources_, *sandboxes_, space, limits);
  return success();
}

Status ClusterServer::start_waiting_room() {
  if (!is_served(options_.waiting_room)) return success();
  http::ServerOptions room;
  room.spool_directory = spool();
  auto started =
      http::start_server(options_.waiting_room, api::make_waiting_room(*service_, {}), room);
  if (!started) return std::move(started).error().during("open the waiting room");
  waiting_room_ = *std::move(started);
  return success();
}

Status ClusterServer::start_api() {
  api::ApiOptions options;
  options.components = [this] { return components(); };
  if (options_.config.storage.backend == "served") options.sources = sources_.get();
  options.authenticator = authenticator_;
  // Who must show a key may call by any name; so may everybody where everybody is let in.
  options.any_host = authenticator_.enabled() || options_.config.auth.dev_insecure;
  options.spool_directory = spool();
  options.max_source_bytes = static_cast<std::uint64_t>(options_.config.limits.max_total_file_size);
  auto started = http::start_server(options_.config.server.http_addr,
                                    api::make_api_router(*service_, metrics_, options),
                                    api::make_api_server_options(metrics_, options));
  if (!started) return std::move(started).error().during("start the API");
  api_ = *std::move(started);
  return success();
}

std::vector<api::Component> ClusterServer::components() {
  const auto deaf_after = options_.deaf_after;
  return {watched("records", seconds_since(apps_->deaf_since()), deaf_after),
          watched("claims", seconds_since(sandboxes_->deaf_since()), deaf_after)};
}

// Removes what killed deploys left. Several servers may do it at once.
void ClusterServer::sweep(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stopping_.wait_for(lock, stop, kSweepInterval, [] { return false; })) {
    if (stop.stop_requested()) return;
    auto swept = sweep_sources(*apps_, *sources_, std::chrono::system_clock::now() - kOrphanAge);
    if (!swept) log::warn("sources not swept", {{"error", swept.error().message}});
  }
}

void ClusterServer::close() {
  std::call_once(closed_, [this] {
    sweeper_.request_stop();
    if (sweeper_.joinable()) sweeper_.join();
    if (api_) api_->stop();
    if (waiting_room_) waiting_room_->stop();
  });
}

}  // namespace

Result<std::unique_ptr<Server>> Server::open(const ServerOptions& options) {
  auto server = std::make_unique<ClusterServer>(options);
  if (Status started = server->start(); !started) return std::move(started).error();
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace vibed
