#include "observe/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <locale>
#include <mutex>
#include <sstream>
#include <string_view>

#include "observe/process_stats.hpp"

namespace vibed::observe {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

const Histogram::BucketBoundaries kDeployBuckets = {0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60};
const Histogram::BucketBoundaries kRequestBuckets = {.005, .01, .025, .05, .1, .25,
                                                     .5,   1,   2.5,  5,   10};

Family<Counter>& counters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}
Family<Gauge>& gauges(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}
Family<Histogram>& histograms(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

std::string known_method(const std::string& method) {
  constexpr std::array<std::string_view, 7> kMethods = {"GET",   "HEAD",   "POST",   "PUT",
                                                        "PATCH", "DELETE", "OPTIONS"};
  bool known = std::find(kMethods.begin(), kMethods.end(), method) != kMethods.end();
  return known ? method : "other";
}

std::string or_else(const std::string& text, const char* otherwise) {
  return text.empty() ? otherwise : text;
}

}  // namespace

struct Metrics::State {
  prometheus::Registry registry;
  Family<Counter>& deploys = counters(registry, "vibed_deploys_total", "Deploys that have ended");
  Family<Histogram>& deploy_seconds =
      histograms(registry, "vibed_deploy_duration_seconds", "From the request to its answer");
  Family<Counter>& deletes = counters(registry, "vibed_deletes_total", "Deletes of apps");
  Family<Counter>& requests = counters(registry, "vibed_http_requests_total", "Requests answered");
  Family<Histogram>& request_seconds =
      histograms(registry, "vibed_http_request_duration_seconds",
                 "From the head of a request to the end of its answer");
  Gauge& streams = gauges(registry, "vibed_sse_connections_active", "Open event streams").Add({});
  Gauge& resident = gauges(registry, "process_resident_memory_bytes", "Memory in RAM").Add({});
  Gauge& cpu = gauges(registry, "process_cpu_seconds_total", "User and system time").Add({});
  Gauge& threads = gauges(registry, "process_threads", "Threads").Add({});
  Gauge& fds = gauges(registry, "process_open_fds", "Open file descriptors").Add({});

  Family<Gauge>& apps = gauges(registry, "vibed_artifacts_active", "Apps there are");
  Family<Gauge>& pool = gauges(registry, "vibed_pool_sandboxes", "Sandboxes by what they do");
  Family<Counter>& claims = counters(
      registry, "vibed_pool_claims_total",
      "Claims of sandboxes: a hit found a warm one, a miss had to wait until one had booted");
  Family<Gauge>& validation =
      gauges(registry, "vibed_template_validation", "Templates by what their agents answered");
  Family<Gauge>& leading =
      gauges(registry, "vibed_controller_leading", "Whether this controller may act");
  Family<Counter>& cluster_requests =
      counters(registry, "vibed_cluster_requests_total", "Requests to the API server");
  std::mutex mutex;
  std::vector<Gauge*> app_gauges;       // guarded by mutex
  std::vector<Gauge*> pool_gauges;      // guarded by mutex
  std::vector<Gauge*> template_gauges;  // guarded by mutex
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

void Metrics::count_deploy(const std::string& status, const std::string& target, double seconds) {
  prometheus::Labels labels{{"status", status}, {"target", or_else(target, "none")}};
  state_->deploys.Add(labels).Increment();
  state_->deploy_seconds.Add(labels, kDeployBuckets).Observe(seconds);
}

void Metrics::count_delete(const std::string& status) {
  state_->deletes.Add({{"status", status}}).Increment();
}

void Metrics::count_request(const std::string& method, const std::string& pattern, int status,
                            double seconds) {
  std::string known = known_method(method);
  std::string path = or_else(pattern, "unmatched");
  state_->requests.Add({{"method", known}, {"path", path}, {"status_code", std::to_string(status)}})
      .Increment();
  state_->request_seconds.Add({{"method", known}, {"path", path}}, kRequestBuckets)
      .Observe(seconds);
}

void Metrics::stream_opened() { state_->streams.Increment(); }
void Metrics::stream_closed() { state_->streams.Decrement(); }

void Metrics::set_apps(const std::map<std::string, int>& by_template) {
  std::lock_guard lock(state_->mutex);
  for (Gauge* gauge : state_->app_gauges) state_->apps.Remove(gauge);
  state_->app_gauges.clear();
  for (const auto& [target, count] : by_template) {
    state_->app_gauges.push_back(&state_->apps.Add({{"target", target}}));
    state_->app_gauges.back()->Set(count);
  }
}

void Metrics::set_pool(const std::vector<PoolCount>& counts) {
  std::lock_guard lock(state_->mutex);
  for (Gauge* gauge : state_->pool_gauges) state_->pool.Remove(gauge);
  state_->pool_gauges.clear();
  for (const PoolCount& count : counts) {
    prometheus::Labels labels{{"template", count.template_name}, {"state", count.state}};
    state_->pool_gauges.push_back(&state_->pool.Add(labels));
    state_->pool_gauges.back()->Set(count.sandboxes);
  }
}

void Metrics::set_claims(const std::string& template_name, std::int64_t hits, std::int64_t misses) {
  std::lock_guard lock(state_->mutex);
  for (const auto& [result, total] : {std::pair("hit", hits), std::pair("miss", misses)}) {
    Counter& counter = state_->claims.Add({{"template", template_name}, {"result", result}});
    counter.Increment(std::max(0.0, static_cast<double>(total) - counter.Value()));
  }
}

void Metrics::set_templates(const std::map<std::string, bool>& valid) {
  std::lock_guard lock(state_->mutex);
  for (Gauge* gauge : state_->template_gauges) state_->validation.Remove(gauge);
  state_->template_gauges.clear();
  for (const auto& [name, good] : valid) {
    prometheus::Labels labels{{"template", name}, {"result", good ? "valid" : "invalid"}};
    state_->template_gauges.push_back(&state_->validation.Add(labels));
    state_->template_gauges.back()->Set(1);
  }
}

// Made when it is first told: only a controller has one.
void Metrics::set_leading(bool leads) { state_->leading.Add({}).Set(leads ? 1 : 0); }

void Metrics::count_cluster_request(const std::string& verb, const std::string& resource,
                                    int status) {
  prometheus::Labels labels{
      {"verb", verb}, {"resource", resource}, {"status", std::to_string(status)}};
  state_->cluster_requests.Add(labels).Increment();
}

std::string Metrics::text() {
  ProcessStats stats = read_process_stats();
  state_->resident.Set(stats.resident_bytes);
  state_->cpu.Set(stats.cpu_seconds);
  state_->threads.Set(stats.threads);
  state_->fds.Set(stats.open_fds);
  std::ostringstream out;
  out.imbue(std::locale::classic());
  prometheus::TextSerializer().Serialize(out, state_->registry.Collect());
  return out.str();
}

}  // namespace vibed::observe
