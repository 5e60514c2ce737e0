// What the pool learns: of claims and Services from the cluster, of apps from their agents.
#include "base/log.hpp"
#include "claims/claim_sandbox_pool.hpp"
#include "claims/names.hpp"

namespace vibed::claims {
namespace {

using kube::Json;

bool older(const std::string& version, const std::string& than) {
  auto a = kube::version_number(version);
  auto b = kube::version_number(than);
  return a && b && *a < *b;
}

}  // namespace

void ClaimSandboxPool::start() {
  control::InformerOptions pools;
  pools.resource = sandbox_warm_pools();
  pools.space = options_.space;
  pools.on_change = [this](const control::Change&) {
    std::lock_guard lock(mutex_);
    schedule_tending(std::chrono::milliseconds(0));
  };
  pools_ = control::Informer::start(client_, std::move(pools));

  control::InformerOptions slices;
  slices.resource = kube::endpoint_slices();
  slices.space = options_.space;
  slices.labels = kUrlLabel;
  slices.on_change = [this](const control::Change& change) {
    std::lock_guard lock(mutex_);
    changed_.notify_all();
    const Json& slice = change.after != nullptr ? *change.after : *change.before;
    notifier_.changed(kube::text_at(slice, {"metadata", "labels", kAppLabel}));
  };
  slices.indexes["service"] = [](const Json& slice) {
    return std::vector<std::string>{
        kube::text_at(slice, {"metadata", "labels", "kubernetes.io/service-name"})};
  };
  slices_ = control::Informer::start(client_, std::move(slices));

  control::InformerOptions services;
  services.resource = kube::services();
  services.space = options_.space;
  services.labels = kUrlLabel;
  services.keep = control::Keep::identity;
  services.on_change = [this](const control::Change& change) { on_service(change); };
  service_informer_ = control::Informer::start(client_, std::move(services));

  control::InformerOptions claims;
  claims.resource = sandbox_claims();
  claims.space = options_.space;
  claims.keep = control::Keep::identity;
  claims.on_change = [this](const control::Change& change) { on_claim(change); };
  claim_informer_ = control::Informer::start(client_, std::move(claims));
  std::lock_guard lock(mutex_);
  tending_ = false;
  schedule_tending(std::chrono::milliseconds(0));
}

void ClaimSandboxPool::on_claim(const control::Change& change) {
  std::lock_guard lock(mutex_);
  if (change.kind != control::Change::Kind::removed) {
    put(*change.after);
    return;
  }
  std::string name = kube::key_of(*change.before).name;
  released_.erase(name);
  auto at = entries_.find(name);
  if (at == entries_.end() || at->second.claim.uid != kube::uid_of(*change.before)) return;
  if (at->second.claim.assigned()) {
    at->second.claim.uid.clear();
    at->second.claim.stage = Stage::over;
    lose(at->second, "its claim was deleted");
  } else {
    forget(name);
  }
  schedule_tending(std::chrono::milliseconds(0));
}

// Takes in a claim as the cluster has it, unless something newer is known. Null: it is on its way
// out, by our own wish.
Entry* ClaimSandboxPool::put(const Json& object) {
  Claim claim = read_claim(object);
  if (released_.contains(claim.name)) return nullptr;
  auto at = entries_.find(claim.name);
  if (at != entries_.end() && at->second.claim.uid != claim.uid) {
    forget(claim.name);
    at = entries_.end();
  }
  bool fresh = at == entries_.end();
  Entry& entry = entries_[claim.name];
  if (!fresh && older(claim.version, entry.claim.version)) return &entry;
  // Not of the claim as it was: the new address may have come before it was ready.
  bool moved = entry.watch &&
               (claim.address.empty() ||
                (claim.stage == Stage::ready && entry.watch->address().host != agent_host(claim)));
  bool new_to_app = claim.assigned() && !entry.claim.assigned();
  entry.claim = std::move(claim);
  entry.sandbox.address = relay_address(entry.claim);
  if (new_to_app) {
    const Claim& mine = entry.claim;
    entry.sandbox.id = mine.name;
    entry.sandbox.app = mine.app;
    entry.sandbox.app_uid = mine.app_uid;
    entry.sandbox.generation = mine.generation;
    entry.sandbox.template_name = mine.template_name;
    entry.sandbox.upstream =
        service_name(mine.label) + "." + options_.space + ".svc:" + std::to_string(kServicePort);
    loop_->after(options_.bind_timeout, [this, name = mine.name] { check_binding(name); });
  }
  if (moved) move(entry);
  settle(entry);
  if (entry.claim.spare && entry.claim.stage == Stage::ready && !entry.asked && options_.validate) {
    entry.asked = true;
    crew_.add([this, name = entry.claim.name] { validate(name, 1); });
  }
  if (entry.claim.assigned())
    notifier_.changed(entry.claim.app);
  else
    schedule_tending(std::chrono::milliseconds(150));
  call_in();
  return &entry;
}

// The pod was replaced: what was in it is lost, and what was not yet in it goes into the new one.
void ClaimSandboxPool::move(Entry& entry) {
  if (entry.injecting || entry.injected) return lose(entry, "its pod was replaced");
  entry.watch->close();
  entry.watch.reset();
  entry.known = false;
  if (entry.sandbox.phase == SandboxPhase::bound) entry.sandbox.phase = SandboxPhase::pending;
}

// Moves the sandbox to where claim and agent are.
void ClaimSandboxPool::settle(Entry& entry) {
  Sandbox& sandbox = entry.sandbox;
  const Claim& claim = entry.claim;
  if (!claim.assigned() || sandbox.phase == SandboxPhase::failed ||
      sandbox.phase == SandboxPhase::gone)
    return;
  if (claim.stage == Stage::over)
    return lose(entry, claim.message.empty() ? "the sandbox has ended" : claim.message);
  if (claim.stage == Stage::refused) {
    sandbox.phase = SandboxPhase::failed;
    sandbox.reason = "ClaimFailed";
    sandbox.message = claim.reason + ": " + claim.message;
    return;
  }
  if (claim.stage == Stage::ready) hear(entry);
  if (sandbox.phase != SandboxPhase::pending) return;
  if (claim.stage == Stage::ready && entry.known) {
    sandbox.phase = SandboxPhase::bound;
    sandbox.reason.clear();
    sandbox.message.clear();
  } else if (!claim.reason.empty() && claim.stage == Stage::pending) {
    sandbox.message = claim.reason + ": " + claim.message;
    // What the cluster forbids, as a full quota does, is worth telling while it lasts; all else
    // that agent-sandbox says of a claim on its way passes by itself.
    const bool forbidden = claim.message.find("forbidden") != std::string::npos;
    sandbox.reason = forbidden ? "SandboxForbidden" : "";
  }
}

std::string ClaimSandboxPool::agent_host(const Claim& claim) const {
  return pod_address(claim, options_.agent_port != 0 ? options_.agent_port : kAgentPort);
}

void ClaimSandboxPool::hear(Entry& entry) {
  if (entry.watch) return;
  sandbox::AgentAddress address;
  address.host = agent_host(entry.claim);
  address.token = agent_token(options_.install_secret, entry.claim.uid);
  entry.watch = std::make_shared<AgentWatch>(
      *loop_, crew_, std::move(address),
      [this, id = entry.claim.name](const sandbox::AgentEvent& event, std::uint64_t connection) {
        on_event(id, event, connection);
      });
  entry.watch->open();
}

void ClaimSandboxPool::on_event(const std::string& id, const sandbox::AgentEvent& event,
                                std::uint64_t connection) {
  std::lock_guard lock(mutex_);
  Entry* entry = find(id);
  if (entry == nullptr) return;
  entry->connection = connection;
  changed_.notify_all();
  Sandbox& sandbox = entry->sandbox;
  if (event.state == "idle" || event.generation == 0) {
    // The first connection may have been made before the injection and be heard of after it.
    if (entry->injected && connection > std::max<std::uint64_t>(entry->injected_on, 1))
      lose(*entry, "its agent no longer knows the app: the container was restarted");
    entry->known = true;
    settle(*entry);
  } else if (event.generation != sandbox.generation) {
    lose(*entry, "its agent has another generation of the app");
  } else {
    if (!entry->injected) {
      entry->injected = true;
      entry->injected_on = connection;
    }
    entry->known = true;
    if (sandbox.phase == SandboxPhase::pending || sandbox.phase == SandboxPhase::bound) {
      sandbox.phase = SandboxPhase::starting;
      sandbox.injected_at = std::chrono::system_clock::now();
    }
    sandbox::apply_agent_event(sandbox, event);
  }
  notifier_.changed(sandbox.app);
  call_in();
}

void ClaimSandboxPool::lose(Entry& entry, const std::string& why) {
  if (entry.watch) entry.watch->close();
  if (entry.sandbox.phase == SandboxPhase::failed || entry.sandbox.phase == SandboxPhase::gone)
    return;
  entry.sandbox.phase = SandboxPhase::gone;
  entry.sandbox.message = why;
  notifier_.changed(entry.sandbox.app);
  call_in();
}

void ClaimSandboxPool::forget(const std::string& name) {
  auto at = entries_.find(name);
  if (at == entries_.end()) return;
  if (at->second.watch) at->second.watch->close();
  entries_.erase(at);
  call_in();
}

// Forgets a claim that nobody uses and deletes it.
void ClaimSandboxPool::drop(const std::string& name) {
  auto at = entries_.find(name);
  if (at == entries_.end()) return;
  std::string uid = at->second.claim.uid;
  // A spare only as it is known: another process may have given it to an app.
  std::string version = at->second.claim.spare ? at->second.claim.version : "";
  forget(name);
  released_.insert(name);
  crew_.add([this, name, uid, version] { end_claim(name, uid, version); });
}

void ClaimSandboxPool::check_binding(const std::string& id) {
  std::lock_guard lock(mutex_);
  Entry* entry = find(id);
  if (entry == nullptr || entry->sandbox.phase != SandboxPhase::pending) return;
  std::string why = entry->sandbox.message;
  if (why.empty() && entry->claim.stage == Stage::ready)
    why = "the agent at " + entry->watch->address().host + " does not answer";
  entry->sandbox.phase = SandboxPhase::failed;
  entry->sandbox.reason = "ClaimFailed";
  entry->sandbox.message = "no sandbox within " + std::to_string(options_.bind_timeout.count()) +
                           " s" + (why.empty() ? "" : ": " + why);
  notifier_.changed(entry->sandbox.app);
  call_in();
}

void ClaimSandboxPool::on_service(const control::Change& change) {
  std::lock_guard lock(mutex_);
  if (change.kind != control::Change::Kind::removed) return put_service(*change.after);
  services_.erase(kube::text_at(*change.before, {"metadata", "labels", kUrlLabel}));
  notifier_.changed(kube::text_at(*change.before, {"metadata", "labels", kAppLabel}));
}

void ClaimSandboxPool::put_service(const Json& object) {
  std::string label = kube::text_at(object, {"metadata", "labels", kUrlLabel});
  auto at = services_.find(label);
  if (at != services_.end() && kube::uid_of(at->second) == kube::uid_of(object) &&
      older(kube::version_of(object), kube::version_of(at->second)))
    return;
  services_[label] = object;
  notifier_.changed(kube::text_at(object, {"metadata", "labels", kAppLabel}));
}

// Where visitors get to: what the EndpointSlice says, which follows the Service when its controller
// comes to it. Until then the older sandbox is the one that serves.
bool ClaimSandboxPool::exposed(const Entry& entry) const {
  Reach all;
  for (const control::Object& slice :
       slices_->find_by("service", service_name(entry.claim.label))) {
    const Reach one = reach_of(*slice, entry.claim.sandbox);
    all.pod = all.pod || one.pod;
    all.others = all.others || one.others;
  }
  return all.pod && (!all.others || !selected(entry));
}

bool ClaimSandboxPool::selected(const Entry& entry) const {
  auto at = services_.find(entry.claim.label);
  return at != services_.end() && selects(at->second, entry.claim);
}

}  // namespace vibed::claims
