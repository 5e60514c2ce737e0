#include "claims/claim_pool.hpp"

#include <algorithm>

#include "base/error_codes.hpp"
#include "base/log.hpp"
#include "claims/claim_sandbox_pool.hpp"
#include "claims/names.hpp"
#include "claims/warm_pool.hpp"

namespace vibed::claims {
namespace {

using SteadyClock = std::chrono::steady_clock;

// An agent that says nothing for so long keeps nobody waiting who could be served.
constexpr std::chrono::seconds kAgentPatience{3};

Time now() { return std::chrono::system_clock::now(); }

// The lines that a failed sandbox has left.
class LeftLines final : public LogStream {
 public:
  explicit LeftLines(std::vector<std::string> lines) : lines_(std::move(lines)) {}
  Result<std::optional<LogLine>> next(std::stop_token, SteadyClock::time_point) override {
    if (at_ == lines_.size()) return std::optional<LogLine>();
    return std::optional<LogLine>(LogLine{{}, "stdout", lines_[at_++]});
  }

 private:
  std::vector<std::string> lines_;
  std::size_t at_ = 0;
};

}  // namespace

ClaimSandboxPool::ClaimSandboxPool(kube::Client& client, SourceStore& sources,
                                   ClaimPoolOptions options,
                                   std::unique_ptr<sandbox::EventLoop> loop)
    : client_(client),
      sources_(sources),
      options_(std::move(options)),
      agents_(fetch::make_client()),
      loop_(std::move(loop)),
      crew_(kThreads) {}

ClaimSandboxPool::~ClaimSandboxPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  stop_.request_stop();
  notifier_.subscribe({});
  loop_->stop();
  crew_.stop(false);  // its tasks read the informers, which add nothing to it any more
}

Entry* ClaimSandboxPool::find(const std::string& id) {
  auto at = entries_.find(id);
  return at == entries_.end() || !at->second.claim.assigned() ? nullptr : &at->second;
}

// The spares, and the claims of one app: nobody asks for those of thousands of others.
std::vector<Claim> ClaimSandboxPool::claims(const std::string& app_uid) const {
  std::vector<Claim> result;
  for (const auto& [name, entry] : entries_) {
    if (entry.taking || !(entry.claim.spare || entry.claim.app_uid == app_uid)) continue;
    result.push_back(entry.claim);
    if (entry.sandbox.phase == SandboxPhase::gone) result.back().stage = Stage::over;
  }
  return result;
}

Result<std::string> ClaimSandboxPool::pool_of(const std::string& template_name) const {
  for (const control::Object& pool : pools_->all()) {
    std::string label = kube::text_at(*pool, {"metadata", "labels", kTemplateLabel});
    std::string name = kube::key_of(*pool).name;
    if (label != template_name && !(label.empty() && name == template_name)) continue;
    std::string why = kube::text_at(*pool, {"metadata", "annotations", kUnavailable});
    if (!why.empty()) return make_error("template_unavailable", why);
    return name;
  }
  return make_error("template_missing", "no SandboxWarmPool for template " + template_name +
                                            " in namespace " + options_.space);
}

// The same for apps: of a template whose sandboxes are known to be good, or not known at all.
Result<std::string> ClaimSandboxPool::open_pool_of(const std::string& template_name) const {
  auto pool = pool_of(template_name);
  if (!pool) return pool;
  std::lock_guard lock(mutex_);
  std::string why = validation_.why_closed(template_name);
  if (!why.empty()) return make_error("template_unavailable", std::move(why));
  return pool;
}

Status ClaimSandboxPool::inject(const std::string& id, const Injection& injection) {
  std::lock_guard lock(mutex_);
  Entry* entry = find(id);
  if (entry == nullptr) return Error{Errc::not_found, "no sandbox " + id};
  if (entry->injecting || entry->sandbox.phase == SandboxPhase::starting ||
      entry->sandbox.phase == SandboxPhase::listening)
    return success();
  if (entry->sandbox.phase != SandboxPhase::bound)
    return Error{Errc::conflict, "sandbox " + id + " is not bound"};
  entry->injecting = true;
  entry->sandbox.phase = SandboxPhase::starting;
  entry->sandbox.injected_at = now();
  notifier_.changed(entry->sandbox.app);
  crew_.add_first([this, id, injection, generation = entry->sandbox.generation] {
    bring_in(id, injection, generation);
  });
  return success();
}

Status ClaimSandboxPool::release(const std::string& id) {
  std::lock_guard lock(mutex_);
  if (line_.remove(id)) return success();
  Entry* entry = find(id);
  if (entry == nullptr) return success();
  Claim claim = entry->claim;
  bool drain = entry->sandbox.port != 0 && entry->sandbox.phase != SandboxPhase::gone;
  bool was_selected = selected(*entry);
  auto watch = entry->watch;
  notifier_.changed(entry->sandbox.app);
  forget(id);
  if (claim.uid.empty()) return success();  // it is no longer in the cluster
  released_.insert(id);
  crew_.add([this, claim, drain, was_selected, watch] {
    if (was_selected) {
      auto patched = client_.patch(kube::services(), {options_.space, service_name(claim.label)},
                                   kube::PatchType::json, select_nothing_patch());
      if (!patched && patched.error().code != Errc::not_found)
        log::warn("a Service still selects a released sandbox",
                  {{"app", claim.app}, {"error", patched.error().message}});
    }
    if (drain && watch) {
      auto deadline = SteadyClock::now() + options_.drain_time;
      for (;;) {
        auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now());
        if (left.count() <= 0) break;
        auto open = sandbox::agent_drain(
            *agents_, watch->address(),
            std::min<std::chrono::milliseconds>(left, std::chrono::seconds(3)));
        if (!open || *open == 0) break;
        std::unique_lock waiting(mutex_);
        if (changed_.wait_for(waiting, std::chrono::milliseconds(250),
                              [this] { return stopping_; }))
          break;
      }
    }
    end_claim(claim.name, claim.uid);
  });
  return success();
}

// Of one app, or of all when there is no uid.
std::vector<Sandbox> ClaimSandboxPool::select(std::string_view app_uid) {
  std::lock_guard lock(mutex_);
  std::vector<Sandbox> result = line_.view(app_uid);
  for (const auto& [name, entry] : entries_) {
    if (!entry.claim.assigned()) continue;
    if (!app_uid.empty() && entry.sandbox.app_uid != app_uid) continue;
    result.push_back(entry.sandbox);
    result.back().exposed = exposed(entry);
  }
  std::stable_sort(result.begin(), result.end(),
                   [](const Sandbox& a, const Sandbox& b) { return a.generation < b.generation; });
  return result;
}

std::vector<Sandbox> ClaimSandboxPool::observe(const std::string& app_uid) {
  return select(app_uid);
}

std::vector<Sandbox> ClaimSandboxPool::observe_all() { return select({}); }

Result<std::unique_ptr<LogStream>> ClaimSandboxPool::logs(const std::string& id,
                                                          const LogRequest& request) {
  std::lock_guard lock(mutex_);
  Entry* entry = find(id);
  if (entry == nullptr) return Error{Errc::not_found, "no sandbox " + id};
  if (!entry->watch || entry->sandbox.phase == SandboxPhase::gone)
    return std::unique_ptr<LogStream>(std::make_unique<LeftLines>(entry->sandbox.log_tail));
  return sandbox::agent_logs(*agents_, entry->watch->address(), request);
}

std::vector<TemplateStatus> ClaimSandboxPool::templates() {
  std::vector<TemplateStatus> result;
  for (const control::Object& pool : pools_->all()) result.push_back(read_warm_pool(*pool));
  std::lock_guard lock(mutex_);
  for (TemplateStatus& status : result) {
    if (status.available) status.message = validation_.why_closed(status.name);
    status.available = status.message.empty();
    status.runtime_version = validation_.runtime_version(status.name);
    for (const auto& [name, entry] : entries_) {
      if (entry.claim.template_name != status.name) continue;
      if (entry.claim.assigned()) ++status.claimed;
      if (entry.claim.spare && entry.claim.stage == Stage::ready) ++status.ready;
    }
    status.waiting = line_.count(status.name);
    status.hits = hits_[status.name];
    status.misses = misses_[status.name];
  }
  return result;
}

void ClaimSandboxPool::subscribe(std::function<void(const std::string& app)> on_change) {
  notifier_.subscribe(std::move(on_change));
}

Status ClaimSandboxPool::wait_synced(const std::stop_token& stop,
                                     SteadyClock::time_point deadline) {
  for (auto* informer :
       {pools_.get(), slices_.get(), service_informer_.get(), claim_informer_.get()})
    if (Status synced = informer->wait_synced(stop, deadline); !synced) return synced;
  // What runs in the sandboxes of an earlier process only their agents can say.
  const auto patience = std::min(deadline, SteadyClock::now() + kAgentPatience);
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, patience, [&] {
    return stop.stop_requested() || std::none_of(entries_.begin(), entries_.end(), [](auto& each) {
             return each.second.watch && !each.second.known &&
                    each.second.sandbox.phase == SandboxPhase::pending;
           });
  });
  return success();
}

std::optional<SteadyClock::time_point> ClaimSandboxPool::deaf_since() const {
  std::optional<SteadyClock::time_point> first;
  for (auto* informer :
       {pools_.get(), slices_.get(), service_informer_.get(), claim_informer_.get()}) {
    auto since = informer->deaf_since();
    if (since && (!first || *since < *first)) first = since;
  }
  return first;
}

Result<std::unique_ptr<ClaimPool>> open_claim_pool(kube::Client& client, SourceStore& sources,
                                                   ClaimPoolOptions options) {
  if (options.install_secret.size() < 32)
    return Error{Errc::invalid_argument, "the install secret has fewer than 32 bytes"};
  auto loop = sandbox::EventLoop::start();
  if (!loop) return std::move(loop).error();
  auto pool =
      std::make_unique<ClaimSandboxPool>(client, sources, std::move(options), std::move(*loop));
  pool->start();
  return std::unique_ptr<ClaimPool>(std::move(pool));
}

}  // namespace vibed::claims
