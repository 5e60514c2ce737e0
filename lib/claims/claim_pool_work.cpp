// What the pool does off its callers' path: injections, Services, deletions, the spare buffer.
#include <algorithm>
#include <optional>
#include <span>

#include "base/ids.hpp"
#include "base/log.hpp"
#include "claims/claim_sandbox_pool.hpp"
#include "claims/names.hpp"

namespace vibed::claims {
namespace {

using kube::Json;
using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

constexpr auto kDrainCall = 3000ms;
constexpr auto kHealthCall = 2000ms;
constexpr const char* kSourceAway = "SourceUnavailable";
constexpr int kMostDoublings = 5;  // of a second, between two looks for a source

Time now() { return std::chrono::system_clock::now(); }

// What is wrong is the store of sources or how it is asked (credentials that have ended, a policy),
// not the source: somebody mends it, and no app is given up for that.
bool may_pass(const Error& error) {
  switch (error.code) {
    case Errc::unavailable:
    case Errc::deadline_exceeded:
    case Errc::unauthenticated:
    case Errc::permission_denied: return true;
    default: return false;
  }
}

// Remembers why it could not be read on, which the request that sends it does not tell apart.
class WatchedSource final : public ByteSource {
 public:
  explicit WatchedSource(ByteSource* bytes) : bytes_(bytes) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    auto count = bytes_->read(buffer);
    if (!count) broken_ = count.error();
    return count;
  }
  const std::optional<Error>& broken() const { return broken_; }

 private:
  ByteSource* bytes_;
  std::optional<Error> broken_;
};

}  // namespace

void ClaimSandboxPool::bring_in(const std::string& id, const Injection& injection,
                                std::int64_t generation, int attempt) {
  sandbox::AgentAddress agent;
  {
    std::lock_guard lock(mutex_);
    Entry* entry = find(id);
    if (entry == nullptr || !entry->watch) return;
    agent = entry->watch->address();
  }
  auto source = find_source(injection.source);
  if (!source && may_pass(source.error()))
    return await_source(id, injection, generation, attempt, source.error());
  if (!source)
    return fail(id, "InjectFailed", "the source cannot be read: " + source.error().message);
  if (attempt > 1) {
    std::lock_guard lock(mutex_);
    Entry* entry = find(id);
    if (entry == nullptr || entry->sandbox.phase != SandboxPhase::starting) return;
    entry->sandbox.reason.clear();
    entry->sandbox.message.clear();
    entry->sandbox.injected_at = now();
    notifier_.changed(entry->sandbox.app);
  }
  WatchedSource bytes(source->bytes.get());
  auto done = source->bytes ? sandbox::agent_inject(*agents_, agent, generation, injection, bytes,
                                                    stop_.get_token())
                            : sandbox::agent_inject_from(*agents_, agent, generation, injection,
                                                         source->url, stop_.get_token());
  if (!done && done.error().code == Errc::cancelled) return;  // another process goes on
  // The controller before us was about to; what comes of it the agent tells.
  if (!done && done.error().code == Errc::conflict) return;
  if (done) {
    std::lock_guard lock(mutex_);
    if (Entry* entry = find(id); entry != nullptr && !entry->injected) {
      entry->injected = true;
      entry->injected_on = entry->connection;
    }
    return;
  }
  // It takes nothing in before it has all, so it can be given the source once more.
  if (bytes.broken() && may_pass(*bytes.broken()))
    return await_source(id, injection, generation, attempt, *bytes.broken());
  // An agent that is not there is a sandbox that is gone, not an app that is wrong.
  fetch::Request health;
  health.url = "http://" + agent.host + "/healthz";
  health.timeout = kHealthCall;
  health.connect_timeout = kHealthCall;
  if (agents_->send(health)) return fail(id, "InjectFailed", done.error().message);
  std::lock_guard lock(mutex_);
  if (Entry* entry = find(id)) lose(*entry, done.error().message);
}

// The bytes to push or, minted for this one injection, the URL to pull from.
Result<ClaimSandboxPool::Source> ClaimSandboxPool::find_source(const std::string& key) {
  if (options_.pull_for == std::chrono::seconds(0)) {
    auto bytes = sources_.open(key);
    if (!bytes) return std::move(bytes).error();
    return Source{*std::move(bytes), ""};
  }
  auto url = sources_.url(key, options_.pull_for);
  if (!url) return std::move(url).error();
  return Source{nullptr, *std::move(url)};
}

// Whoever keeps the sources may be restarted like everybody else; no app is given up for that.
void ClaimSandboxPool::await_source(const std::string& id, const Injection& injection,
                                    std::int64_t generation, int attempt, const Error& error) {
  {
    std::lock_guard lock(mutex_);
    Entry* entry = find(id);
    if (entry == nullptr || entry->sandbox.phase != SandboxPhase::starting) return;
    entry->sandbox.reason = kSourceAway;
    entry->sandbox.message =
        "the source cannot be read now, which is tried again: " + error.message;
    notifier_.changed(entry->sandbox.app);
  }
  loop_->after(1s * (1 << std::min(attempt - 1, kMostDoublings)), [=, this] {
    crew_.add([=, this] { bring_in(id, injection, generation, attempt + 1); });
  });
}

void ClaimSandboxPool::fail(const std::string& id, const std::string& reason,
                            const std::string& message) {
  std::lock_guard lock(mutex_);
  Entry* entry = find(id);
  if (entry == nullptr || entry->sandbox.phase != SandboxPhase::starting) return;
  entry->sandbox.phase = SandboxPhase::failed;
  entry->sandbox.reason = reason;
  entry->sandbox.message = message;
  notifier_.changed(entry->sandbox.app);
}

Status ClaimSandboxPool::make_service(const SandboxRequest& request) {
  {
    std::lock_guard lock(mutex_);
    if (services_.contains(request.label)) return success();
  }
  auto made = client_.create(kube::services(), app_service(options_.space, request));
  if (!made && made.error().code == Errc::already_exists) return success();
  if (!made) return std::move(made).error();
  std::lock_guard lock(mutex_);
  put_service(*made);
  return success();
}

// The Service of the app, selecting that claim's pod, whose uid is told.
Status ClaimSandboxPool::point_service(const std::string& label, const SandboxRequest& request,
                                       const Claim& claim, std::string& pod_uid) {
  auto pod = client_.get(kube::pods(), {options_.space, claim.sandbox});
  if (!pod) return std::move(pod).error().during("find the pod of sandbox " + claim.sandbox);
  pod_uid = kube::uid_of(*pod);
  bool by_claim = kube::text_at(*pod, {"metadata", "labels", kClaimUidLabel}) == claim.uid;
  Json patch = by_claim ? select_patch(kClaimUidLabel, claim.uid)
                        : select_patch(kNameHashLabel, name_hash(claim.sandbox));
  const kube::ObjectKey key{options_.space, service_name(label)};
  auto patched = client_.patch(kube::services(), key, kube::PatchType::json, patch);
  if (!patched && patched.error().code == Errc::not_found) {
    {
      std::lock_guard lock(mutex_);
      services_.erase(label);
    }
    if (Status made = make_service(request); !made) return made;
    patched = client_.patch(kube::services(), key, kube::PatchType::json, patch);
  }
  if (!patched) return std::move(patched).error();
  std::lock_guard lock(mutex_);
  put_service(*patched);
  return success();
}

Status ClaimSandboxPool::wait_for_endpoint(const std::string& label, const std::string& pod_uid) {
  auto there = [&] {
    auto slices = slices_->find_by("service", service_name(label));
    return std::count_if(
               slices.begin(), slices.end(),
               [&](const control::Object& slice) { return holds_only(*slice, pod_uid); }) == 1 &&
           std::all_of(slices.begin(), slices.end(), [&](const control::Object& slice) {
             const Json& endpoints = kube::find(*slice, {"endpoints"});
             return !endpoints.is_array() || endpoints.empty() || holds_only(*slice, pod_uid);
           });
  };
  std::unique_lock lock(mutex_);
  if (changed_.wait_for(lock, options_.expose_timeout, [&] { return stopping_ || there(); }))
    return stopping_ ? Status(Error{Errc::cancelled, "the pool is stopping"}) : success();
  return Error{Errc::unavailable, "Service " + service_name(label) +
                                      " has not got the pod as its one endpoint within " +
                                      std::to_string(options_.expose_timeout.count()) + " ms"};
}

Status ClaimSandboxPool::expose(const std::string& label, const std::string& id) {
  SandboxRequest request;
  Claim claim;
  std::vector<std::pair<std::string, sandbox::AgentAddress>> before;
  {
    std::lock_guard lock(mutex_);
    Entry* entry = find(id);
    if (entry == nullptr) return Error{Errc::not_found, "no sandbox " + id};
    const Sandbox& sandbox = entry->sandbox;
    if (sandbox.phase != SandboxPhase::listening)
      return Error{Errc::conflict, "sandbox " + id + " does not listen"};
    request = {sandbox.app, sandbox.app_uid, label, sandbox.generation, sandbox.template_name};
    claim = entry->claim;
    for (const auto& [name, other] : entries_)
      if (name != id && other.claim.label == label && other.watch && exposed(other))
        before.emplace_back(name, other.watch->address());
  }
  std::string pod_uid;
  if (Status done = point_service(label, request, claim, pod_uid); !done) return done;
  if (Status done = wait_for_endpoint(label, pod_uid); !done) return done;
  for (const auto& [name, agent] : before) shut_relay(agent, name);
  std::lock_guard lock(mutex_);
  notifier_.changed(request.app);
  return success();
}

// Returns when the relay takes no new connection: after expose() nobody may reach the older
// generation. A pod whose agent cannot be told so is deleted.
void ClaimSandboxPool::shut_relay(const sandbox::AgentAddress& agent, const std::string& id) {
  auto drained = sandbox::agent_drain(*agents_, agent, kDrainCall);
  if (drained) return;
  log::warn("a relay did not drain, ending its sandbox",
            {{"sandbox", id}, {"error", drained.error().message}});
  std::lock_guard lock(mutex_);
  drop(id);
}

void ClaimSandboxPool::end_claim(const std::string& name, const std::string& uid,
                                 const std::string& version) {
  kube::DeleteOptions options;
  options.uid = uid;
  options.version = version;
  Status done = client_.remove(sandbox_claims(), {options_.space, name}, options);
  if (done || done.error().code == Errc::not_found) return;
  if (done.error().code == Errc::conflict) return version.empty() ? void() : look_again(name);
  log::warn("a claim was not deleted, trying again later",
            {{"claim", name}, {"error", done.error().message}});
  loop_->after(5s, [this, name, uid, version] {
    crew_.add([this, name, uid, version] { end_claim(name, uid, version); });
  });
}

// What was to be deleted is not what it was.
void ClaimSandboxPool::look_again(const std::string& name) {
  auto read = client_.get(sandbox_claims(), {options_.space, name});
  if (!read && read.error().code != Errc::not_found) {
    loop_->after(5s, [this, name] { crew_.add([this, name] { look_again(name); }); });
    return;
  }
  std::lock_guard lock(mutex_);
  released_.erase(name);
  if (read) put(*read);
  schedule_tending(0ms);
}

// With mutex_ held. Many wishes are one turn.
void ClaimSandboxPool::schedule_tending(std::chrono::milliseconds delay) {
  if (stopping_) return;
  if (tending_) {
    tend_again_ = true;
    return;
  }
  tending_ = true;
  loop_->after(delay, [this] { crew_.add([this] { tend(); }); });
}

void ClaimSandboxPool::tend() {
  if (!pools_->has_synced() || !claim_informer_->has_synced()) {
    loop_->after(50ms, [this] { crew_.add([this] { tend(); }); });
    return;
  }
  std::map<std::string, int> wanted;
  for (const control::Object& pool : pools_->all()) {
    std::string name = kube::text_at(*pool, {"metadata", "labels", kTemplateLabel});
    if (name.empty()) name = kube::key_of(*pool).name;
    // A pool of none is a way to say that this template always starts cold.
    wanted[name] = kube::find(*pool, {"spec"}).value("replicas", 1);
  }
  const Time moment = cluster_now();
  SparePlan plan;
  {
    std::lock_guard lock(mutex_);
    tend_again_ = false;
    for (auto& [name, count] : wanted)
      count = std::min(count, demand_[name].wanted(options_.spares, moment));
    plan = plan_spares(claims(""), wanted, moment, options_.spares);
    // Of a template that is closed one is made at a time, to be asked.
    for (auto at = plan.create.begin(); at != plan.create.end();) {
      const Time again = validation_.ask_again_at(at->first);
      const bool closed = !validation_.why_closed(at->first).empty();
      if (closed && moment < again) {
        if (!plan.next || again < *plan.next) plan.next = again;
        at = plan.create.erase(at);
        continue;
      }
      if (closed) at->second = 1;
      ++at;
    }
    for (const std::string& name : plan.remove) drop(name);
  }
  carry_out(plan);
  std::lock_guard lock(mutex_);
  tending_ = false;
  if (tend_again_) schedule_tending(150ms);
  if (plan.next && !stopping_) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(*plan.next - cluster_now());
    loop_->after(std::max<std::chrono::milliseconds>(left, 1000ms), [this] {
      std::lock_guard again(mutex_);
      schedule_tending(0ms);
    });
  }
}

void ClaimSandboxPool::carry_out(const SparePlan& plan) {
  const Time end = cluster_now() + options_.spares.lifetime;
  for (const auto& [template_name, count] : plan.create) {
    auto pool = pool_of(template_name);
    for (int i = 0; pool && i < count; ++i) {
      auto made = client_.create(sandbox_claims(),
                                 spare_claim(options_.space, "spare-" + *pool + "-" + random_hex(4),
                                             *pool, template_name, end));
      if (!made) {
        log::warn("a spare was not claimed",
                  {{"template", template_name}, {"error", made.error().message}});
        break;
      }
      std::lock_guard lock(mutex_);
      put(*made);
    }
  }
  for (const std::string& name : plan.renew) {
    Claim spare;
    {
      std::lock_guard lock(mutex_);
      auto at = entries_.find(name);
      if (at == entries_.end() || at->second.taking || at->second.claim.assigned()) continue;
      spare = at->second.claim;
    }
    auto renewed = client_.patch(sandbox_claims(), {options_.space, name}, kube::PatchType::merge,
                                 renew_patch(spare, end));
    std::lock_guard lock(mutex_);
    if (renewed) put(*renewed);
  }
}

}  // namespace vibed::claims
