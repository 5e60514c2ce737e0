#include "route/edge.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/error_codes.hpp"
#include "base/files.hpp"
#include "base/ids.hpp"
#include "base/log.hpp"
#include "route/caddy_admin.hpp"
#include "route/certificate.hpp"
#include "route/memory_routes.hpp"
#include "route/per_app_routes.hpp"

namespace vibed::route {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kAnswer{2'000};
// The admin API answers nobody while it takes in a configuration: 4 s with routes for 10,000 apps.
constexpr std::chrono::milliseconds kAdminAnswer{10'000};
constexpr const char* kNotAsked = "Caddy has not been asked for it yet";
constexpr std::size_t kLogBytes = 2 * 1024 * 1024;  // Caddy rolls it at one MiB

Status check(const FrontDoorPlan& plan) {
  const auto wrong = [](const char* what) { return make_error("bad_config", what); };
  if (plan.run.empty() || plan.run.front() != '/')
    return wrong("the folder of Caddy's admin socket is not absolute");
  if (plan.listen.empty()) return wrong("where Caddy listens is not said");
  if (plan.domain.empty()) return wrong("the domain of apps is not said");
  if (plan.upstream.find("{label}") == std::string::npos) {
    return wrong("the upstream of apps has no {label}");
  }
  if (plan.tls.is_null() && !plan.redirect.empty())
    return wrong("visitors are sent to https, which is not served");
  if (plan.try_duration.empty())
    return wrong("for how long a refused dial is repeated is not said");
  if (plan.waiting_room.empty()) return wrong("the address of the waiting room is not said");
  return check_layout(plan.layout, plan.version);
}

// Another plan has another marker, so that a document of an older vibed-router is replaced.
std::string marker_of(FrontDoorPlan plan) {
  plan.routes.clear();
  plan.marker.clear();
  return "vibed-edge-" + to_hex(sha256(caddy_document(plan).dump())).substr(0, 16);
}

class CaddyEdge final : public Edge {
 public:
  explicit CaddyEdge(const EdgeOptions& options)
      : plan_(options.plan), look_(options.look), admin_(plan_.run + "/caddy-admin.sock") {
    plan_.marker = marker_of(plan_);
    condition_.message = "Caddy has not been heard of yet";
    if (!plan_.tls.is_null()) condition_.certificate = kNotAsked;
    if (plan_.layout == Layout::per_app) {
      per_app_ = std::make_unique<PerAppRoutes>(admin_, plan_.domain, plan_.routes,
                                                PerAppRoutes::kInterval, plan_.try_duration);
    }
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }

  RouteTable& routes() override {
    if (per_app_) return *per_app_;
    return anything_goes_;
  }

  EdgeCondition condition() const override {
    const std::lock_guard lock(mutex_);
    return condition_;
  }

 private:
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      look();
      look_for_certificate();
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, look_, [] { return false; });
    }
  }

  // Caddy begins with nothing whenever it was restarted.
  void look() {
    auto there = admin_.has(plan_.marker, kAdminAnswer);
    if (!there) return note(there.error().message);
    if (*there) return note("");
    if (per_app_) plan_.routes = per_app_->routes();
    Status loaded = admin_.load(caddy_document(plan_));
    if (!loaded) return note(loaded.error().message);
    log::info("caddy configured", {{"routes", std::to_string(plan_.routes.size())}});
    {
      const std::lock_guard lock(mutex_);
      ++condition_.loads;
      if (!plan_.tls.is_null()) condition_.certificate = kNotAsked;
    }
    note("");
    // What changed while it was loaded went to the configuration before.
    if (per_app_ && per_app_->routes() != plan_.routes) {
      Status again = per_app_->resync(per_app_->routes());
      if (!again) note(again.error().message);
    }
  }

  // Until there is one: it stays, because Caddy renews it in time.
  void look_for_certificate() {
    const EdgeCondition now = condition();
    if (!now.serving || now.certificate.empty()) return;
    const CertificateQuestion question = certificate_question(plan_);
    auto tls = std::make_shared<fetch::Tls>();
    tls->server_name = question.name;
    tls->insecure = true;  // whether there is one, whoever made it
    auto answer = client_->send({.url = question.url,
                                 .headers = {{"Connection", "close"}},
                                 .timeout = kAnswer,
                                 .connect_timeout = kAnswer,
                                 .tls = tls});
    note_certificate(answer ? "" : why_none(answer.error().message));
  }

  std::string why_none(const std::string& seen) const {
    const auto log = read_file(certificate_log(plan_.run), kLogBytes);
    const std::string trouble = log ? certificate_trouble(*log) : "";
    const std::string none = "Caddy has none for *." + plan_.domain + " yet: ";
    if (!trouble.empty()) return none + trouble;
    return none + "it is asking for one, or another with the same storage is (" + seen + ")";
  }

  void note_certificate(const std::string& trouble) {
    const std::lock_guard lock(mutex_);
    if (trouble == condition_.certificate) return;
    if (trouble.empty()) {
      log::info("certificate there", {{"domain", "*." + plan_.domain}});
    } else {
      log::warn("no certificate", {{"error", trouble}});
    }
    condition_.certificate = trouble;
  }

  void note(const std::string& trouble) {
    const std::lock_guard lock(mutex_);
    if (trouble != condition_.message && !trouble.empty()) {
      log::warn("caddy not configured", {{"error", trouble}});
    }
    condition_.serving = trouble.empty();
    condition_.message = trouble;
  }

  FrontDoorPlan plan_;  // the thread's, once there is one
  const std::chrono::milliseconds look_;
  CaddyAdmin admin_;
  const std::unique_ptr<fetch::Client> client_ = fetch::make_client();
  MemoryRoutes anything_goes_;
  std::unique_ptr<PerAppRoutes> per_app_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  EdgeCondition condition_;  // guarded by mutex_
  std::jthread thread_;      // last: uses the others
};

}  // namespace

Result<std::unique_ptr<Edge>> Edge::start(const EdgeOptions& options) {
  if (Status fine = check(options.plan); !fine) return std::move(fine).error();
  return std::unique_ptr<Edge>(std::make_unique<CaddyEdge>(options));
}

json edge_bootstrap(const std::string& run) {
  json origins = json::array();
  origins.push_back("localhost");
  return {{"admin",
           {{"listen", "unix/" + run + "/caddy-admin.sock"},
            {"origins", origins},
            {"config", {{"persist", false}}}}}};
}

}  // namespace vibed::route
