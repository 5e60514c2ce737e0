// The composition of the controller: a lease, and while it is held records, claims and lifecycle.
#include "vibed/controller.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "app/kubernetes_app_store.hpp"
#include "base/error_codes.hpp"
#include "base/ids.hpp"
#include "base/log.hpp"
#include "claims/claim_pool.hpp"
#include "claims/names.hpp"
#include "control/election.hpp"
#include "control/fenced_client.hpp"
#include "control/recorder.hpp"
#include "engine/app_events.hpp"
#include "engine/controller_health.hpp"
#include "engine/open_cluster.hpp"
#include "engine/probes.hpp"
#include "kube/pause.hpp"
#include "kube/retry.hpp"
#include "lifecycle/loop.hpp"
#include "observe/metrics.hpp"
#include "source/remote_source_store.hpp"

namespace vibed {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr const char* kName = "vibed-controller";
constexpr const char* kReporter = "vibed.dev/controller";  // of events
constexpr const char* kLease = "vibed-controller.vibed.dev";
constexpr auto kSyncTimeout = 30'000ms;  // after which it says what is missing, and begins again
constexpr auto kFirstRetry = 500ms;
constexpr auto kLongestRetry = 15'000ms;

Status check(const ControllerOptions& options) {
  const auto wrong = [](const char* what) { return make_error("bad_config", what); };
  if (Status enough = claims::check_install_secret(options.install_secret); !enough) return enough;
  if (options.url_scheme != "http" && options.url_scheme != "https")
    return wrong("the scheme of app URLs is http or https");
  if (options.url_port < 0 || options.url_port > 65535)
    return wrong("the port of app URLs is 1 to 65535, or 0 for none");
  if (options.domain.empty() || options.domain.find_first_of("/: ") != std::string::npos)
    return wrong("the domain of app URLs is a host name, without a port");
  if (options.pool_namespace.empty()) return wrong("the namespace of apps is empty");
  if (!options.sources && options.source_url.empty())
    return wrong("the address of the API, where sources are fetched, is missing");
  if (options.renew_deadline >= options.lease_duration ||
      options.retry_period >= options.renew_deadline || options.retry_period <= 0ms)
    return wrong("the lease's times must be: retry period < renew deadline < lease duration");
  return success();
}

std::string own_identity() {
  std::array<char, 256> host = {};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  return std::string(host.data()) + "_" + random_hex(8);
}

class ClusterController final : public Controller {
 public:
  explicit ClusterController(ControllerOptions options) : options_(std::move(options)) {}
  ~ClusterController() override { close(); }

  Status start();

  std::string metrics_address() const override {
    return metrics_server_ ? metrics_server_->address() : "";
  }
  std::string probes_address() const override { return probes_ ? probes_->address() : ""; }
  bool leads() const override {
    if (!options_.leader_elect) return !closing_.stop_requested();
    const control::Election* election = election_known_.load();
    return election != nullptr && election->leads();
  }
  void close() override;

 private:
  Status open_parts();
  Status start_servers();
  void elect();
  void lead(const std::stop_token& lost);
  Status reign(kube::Client& client, const std::stop_token& over);
  void note_trouble(const Error& error);
  ControllerView view();
  std::string metrics_text();

  const ControllerOptions options_;
  std::stop_source closing_;
  std::once_flag closed_;

  // In the order they are opened; closed and destroyed the other way round.
  observe::Metrics metrics_;
  std::shared_ptr<SourceStore> sources_;
  std::unique_ptr<kube::Client> client_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::string identity_;                // of this process
  std::string leader_;                  // the identity; this and below guarded by mutex_
  std::string trouble_;                 // why nothing is done although we lead
  bool leading_ = false;                // lead() runs
  KubernetesAppStore* apps_ = nullptr;  // while acting
  claims::ClaimPool* pool_ = nullptr;   // the same
  std::unique_ptr<http::Server> metrics_server_;
  std::unique_ptr<http::Server> probes_;
  // Null until start() of it has returned, which lead() waits for.
  std::atomic<const control::Election*> election_known_ = nullptr;
  std::unique_ptr<control::Election> election_;
  std::jthread alone_;  // leads where there is no election
};

Status ClusterController::start() {
  if (Status fine = check(options_); !fine) return fine;
  if (Status opened = open_parts(); !opened) return opened;
  if (Status served = start_servers(); !served) return served;
  elect();
  return success();
}

Status ClusterController::open_parts() {
  identity_ = options_.identity.empty() ? own_identity() : options_.identity;
  sources_ = options_.sources;
  if (!sources_) {
    auto remote = make_remote_source_store(options_.source_url);
    if (!remote) return std::move(remote).error().during("read the address of the API");
    sources_ = std::move(*remote);
  }
  auto client = open_cluster(options_.cluster, kName, &metrics_);
  if (!client) return std::move(client).error();
  client_ = std::move(*client);
  return success();
}

Status ClusterController::start_servers() {
  auto metrics = serve_metrics(options_.metrics_address, [this] { return metrics_text(); });
  if (!metrics) return std::move(metrics).error();
  metrics_server_ = *std::move(metrics);
  auto probes = serve_probes(options_.probes_address,
                             [this] { return controller_components(view(), options_.deaf_after); });
  if (!probes) return std::move(probes).error();
  probes_ = *std::move(probes);
  return success();
}

void ClusterController::elect() {
  if (!options_.leader_elect) {
    alone_ = std::jthread([this](const std::stop_token& stop) { lead(stop); });
    return;
  }
  control::ElectionOptions election;
  const std::string& space = options_.lease_namespace;
  election.lease = {space.empty() ? client_->default_space() : space, kLease};
  election.identity = identity_;
  election.times.duration = options_.lease_duration;
  election.times.renew_deadline = options_.renew_deadline;
  election.times.retry_period = options_.retry_period;
  election.on_leader = [this](const std::string& leader) {
    const std::lock_guard lock(mutex_);
    leader_ = leader;
  };
  election.lead = [this](const std::stop_token& lost) { lead(lost); };
  election_ = control::Election::start(*client_, std::move(election));
  const std::lock_guard lock(mutex_);
  election_known_ = election_.get();
  changed_.notify_all();
}

// Acts until `lost` or close(). What fails is tried again: somebody else would fare no better.
void ClusterController::lead(const std::stop_token& lost) {
  std::stop_source over;
  const std::stop_callback on_lost(lost, [&over] { over.request_stop(); });
  const std::stop_callback on_close(closing_.get_token(), [&over] { over.request_stop(); });
  {
    std::unique_lock lock(mutex_);
    const auto is_known = [this] { return !options_.leader_elect || election_known_ != nullptr; };
    if (!changed_.wait(lock, over.get_token(), is_known)) return;
    leading_ = true;
    trouble_.clear();
  }
  // Ending by close() still finishes what is under way: only a lost lease cuts it off.
  auto client = control::make_fenced_client(
      *client_, {.leads = [this] { return !options_.leader_elect || leads(); }, .lost = lost});
  for (int failures = 1; !over.stop_requested(); ++failures) {
    Status done = reign(*client, over.get_token());
    if (done || over.stop_requested()) break;
    note_trouble(done.error());
    kube::pause(over.get_token(), kube::backoff(failures, kFirstRetry, kLongestRetry, 0.5));
  }
  const std::lock_guard lock(mutex_);
  leading_ = false;
  changed_.notify_all();
}

Status ClusterController::reign(kube::Client& client, const std::stop_token& over) {
  auto apps = open_kubernetes_app_store(
      client, {.space = options_.pool_namespace, .sync_timeout = kSyncTimeout, .stop = over});
  if (!apps) return std::move(apps).error();
  claims::ClaimPoolOptions claims;
  claims.space = options_.pool_namespace;
  claims.install_secret = options_.install_secret;
  claims.agent_port = options_.agent_port;
  claims.pull_for = options_.pull_for;
  claims.spares.least = options_.spares_least;
  claims.spares.most = options_.spares_most;
  claims.booting_most = options_.booting_most;
  claims.spares = claims::with_lifetime(claims.spares, options_.spare_lifetime);
  auto pool = claims::open_claim_pool(client, *sources_, std::move(claims));
  if (!pool) return std::move(pool).error();
  if (Status known = (*pool)->wait_synced(over, Steady::now() + kSyncTimeout); !known)
    return std::move(known).error().during("read the claims of the cluster");

  // With the fence of all writes: events of who no longer leads are none.
  auto events = control::Recorder::start(client, kReporter, identity_);
  lifecycle::LoopOptions loop;
  loop.tell = [&events](const App& before, const AppStatus& after) {
    for (control::Happening& each : happenings(before, after)) {
      events->record(event_subject(before), std::move(each));
    }
  };
  loop.step.domain = options_.domain;
  loop.step.url_scheme = options_.url_scheme;
  loop.step.url_port = options_.url_port;
  loop.step.start_timeout = options_.start_timeout;
  loop.workers = options_.workers;
  auto lifecycle = lifecycle::Lifecycle::start(**apps, **pool, loop);
  log::info("acting", {{"namespace", options_.pool_namespace}});
  std::unique_lock lock(mutex_);
  apps_ = apps->get();
  pool_ = pool->get();
  changed_.wait(lock, over, [] { return false; });
  apps_ = nullptr;
  pool_ = nullptr;
  return success();
}

void ClusterController::note_trouble(const Error& error) {
  log::error("cannot act", {{"error", error.message}});
  const std::lock_guard lock(mutex_);
  trouble_ = error.message;
}

ControllerView ClusterController::view() {
  ControllerView view;
  view.leads = leads();
  const control::Election* election = election_known_.load();
  if (auto trouble = election == nullptr ? std::nullopt : election->trouble()) {
    view.lease_deaf = seconds_since(trouble->since);
    view.lease_error = trouble->error;
  }
  const std::lock_guard lock(mutex_);
  view.leader = leader_;
  view.acts = apps_ != nullptr;
  view.trouble = trouble_;
  if (!view.acts) return view;
  view.records_deaf = seconds_since(apps_->deaf_since());
  view.claims_deaf = seconds_since(pool_->deaf_since());
  return view;
}

std::string ClusterController::metrics_text() {
  metrics_.set_leading(leads());
  {
    // They live as long as this is held.
    const std::lock_guard lock(mutex_);
    if (apps_ != nullptr) measure(*apps_, *pool_, metrics_);
  }
  return metrics_.text();
}

void ClusterController::close() {
  std::call_once(closed_, [this] {
    closing_.request_stop();
    {
      // While the lease is still renewed: what is under way is finished by who may.
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !leading_; });
    }
    if (alone_.joinable()) alone_.join();
    // They ask the election.
    if (probes_) probes_->stop();
    if (metrics_server_) metrics_server_->stop();
    election_known_ = nullptr;
    election_.reset();
  });
}

}  // namespace

Result<std::unique_ptr<Controller>> Controller::open(const ControllerOptions& options) {
  auto controller = std::make_unique<ClusterController>(options);
  if (Status started = controller->start(); !started) return std::move(started).error();
  return std::unique_ptr<Controller>(std::move(controller));
}

}  // namespace vibed
