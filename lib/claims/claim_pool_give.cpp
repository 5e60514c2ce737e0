// Which claim an app gets, and when: its own, a spare, or a new one.
#include <algorithm>

#include "base/error_codes.hpp"
#include "base/ids.hpp"
#include "base/log.hpp"
#include "claims/claim_sandbox_pool.hpp"
#include "claims/names.hpp"

namespace vibed::claims {
namespace {

using kube::Json;

// What a namespace's quota refuses is a machine that is full.
Error error_of_create(Error error) {
  if (error.reason == "cluster_quota_exceeded") return make_error("pool_exhausted", error.message);
  return error;
}

}  // namespace

Result<Sandbox> ClaimSandboxPool::claim(const SandboxRequest& request) {
  const Key key(request.app_uid, request.generation);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stopping_ || !claiming_.contains(key); });
  if (stopping_) return Error{Errc::cancelled, "the pool is stopping"};
  Choice choice =
      choose(claims(request.app_uid), request, cluster_now(), options_.spares.take_margin);
  if (choice.what == Choice::What::use) return use(choice);
  if (auto refused = refused_.extract(key)) return std::move(refused.mapped());
  const bool has_room = choice.what == Choice::What::take || room(request.template_name).boots > 0;
  if (!has_room || !line_.empty(request.template_name)) return line_.add(request);
  begin(choice, request);
  lock.unlock();
  return claim_anew(choice, request, false);
}

// What was in line and has got its turn.
void ClaimSandboxPool::claim_in_turn(const SandboxRequest& request) {
  Choice choice;
  {
    std::lock_guard lock(mutex_);
    choice = choose(claims(request.app_uid), request, cluster_now(), options_.spares.take_margin);
    if (choice.what == Choice::What::use) {
      use(choice);
      claiming_.erase({request.app_uid, request.generation});
      changed_.notify_all();
      notifier_.changed(request.app);
      return;
    }
    begin(choice, request);
  }
  auto claimed = claim_anew(choice, request, true);
  std::lock_guard lock(mutex_);
  if (!claimed && !line_.empty())
    refused_.insert_or_assign({request.app_uid, request.generation}, claimed.error());
  notifier_.changed(request.app);
}

// With mutex_ held, like the next three.
Sandbox ClaimSandboxPool::use(const Choice& choice) {
  for (const std::string& name : choice.superfluous) drop(name);
  Entry& entry = entries_.at(choice.claim);
  entry.sandbox.exposed = exposed(entry);
  return entry.sandbox;
}

void ClaimSandboxPool::begin(const Choice& choice, const SandboxRequest& request) {
  claiming_.insert_or_assign({request.app_uid, request.generation}, request);
  if (choice.what == Choice::What::take) entries_.at(choice.claim).taking = true;
}

ClaimSandboxPool::Room ClaimSandboxPool::room(const std::string& template_name) const {
  const Time at = cluster_now();
  Room room;
  room.boots = options_.booting_most;
  auto count = [&](const std::string& owner) {
    --room.boots;
    ++room.booting[owner];
  };
  for (const auto& [name, entry] : entries_) {
    if (entry.claim.template_name != template_name || entry.taking) continue;
    if (entry.claim.assigned() && entry.sandbox.phase == SandboxPhase::pending) count(entry.owner);
    if (may_take(entry.claim, at, options_.spares.take_margin)) ++room.spares;
  }
  for (const auto& [key, request] : claiming_)
    if (request.template_name == template_name) count(request.owner);
  return room;
}

// Gives a turn to as many as there is room for.
void ClaimSandboxPool::call_in() {
  if (line_.empty()) return refused_.clear();
  for (const std::string& name : line_.templates()) {
    Room room = this->room(name);
    for (int left = room.spares + std::max(0, room.boots); left > 0; --left) {
      auto request = line_.next(name, room.booting);
      if (!request) break;
      ++room.booting[request->owner];
      claiming_.insert_or_assign({request->app_uid, request->generation}, *request);
      crew_.add([this, request = *std::move(request)] { claim_in_turn(request); });
    }
  }
}

// Takes a spare or makes a claim, as chosen, and ends what begin() began.
Result<Sandbox> ClaimSandboxPool::claim_anew(const Choice& choice, const SandboxRequest& request,
                                             bool waited) {
  std::string taken;
  auto object = take(choice, request, taken);
  std::lock_guard lock(mutex_);
  claiming_.erase({request.app_uid, request.generation});
  changed_.notify_all();
  for (const std::string& name : choice.candidates)
    if (auto at = entries_.find(name); at != entries_.end()) at->second.taking = false;
  if (auto at = entries_.find(choice.claim); at != entries_.end()) at->second.taking = false;
  if (!object) {
    call_in();
    return std::move(object).error();
  }
  demand_[request.template_name].note(cluster_now());
  ++(taken.empty() || waited ? misses_ : hits_)[request.template_name];
  Entry* entry = put(*object);
  if (entry == nullptr) {
    call_in();
    return Error{Errc::unavailable, "the claim went as it was made"};
  }
  entry->owner = request.owner;
  // Nobody can have injected what was a spare a moment ago.
  entry->known = entry->known || !taken.empty();
  settle(*entry);
  call_in();
  schedule_tending(std::chrono::milliseconds(150));
  crew_.add([this, request] {
    if (auto made = make_service(request); !made)
      log::warn("a Service was not made", {{"app", request.app}, {"error", made.error().message}});
  });
  return entry->sandbox;
}

// Makes a spare the app's. agent-sandbox writes to claims as well: a spare that has changed and is
// still one is tried once more.
Result<Json> ClaimSandboxPool::give(const Claim& spare, const SandboxRequest& request) {
  const kube::ObjectKey key{options_.space, spare.name};
  auto patched =
      client_.patch(sandbox_claims(), key, kube::PatchType::merge, take_patch(spare, request));
  if (patched || patched.error().code != Errc::conflict) return patched;
  auto read = client_.get(sandbox_claims(), key);
  if (!read) return read;
  Claim now = read_claim(*read);
  if (!now.spare || now.stage != Stage::ready) return patched;
  return client_.patch(sandbox_claims(), key, kube::PatchType::merge, take_patch(now, request));
}

// Gives the app a spare, or a claim of its own when there is none left to take.
Result<Json> ClaimSandboxPool::take(const Choice& choice, const SandboxRequest& request,
                                    std::string& taken) {
  auto pool = open_pool_of(request.template_name);
  if (!pool) return std::move(pool).error();
  std::vector<std::string> spares = choice.candidates;
  if (choice.what == Choice::What::take) spares.insert(spares.begin(), choice.claim);
  for (const std::string& name : spares) {
    Claim spare;
    {
      std::lock_guard lock(mutex_);
      auto at = entries_.find(name);
      if (at == entries_.end() || (at->second.taking && name != choice.claim)) continue;
      // The watch may have told meanwhile whose it has become.
      if (!at->second.claim.spare || at->second.claim.stage != Stage::ready) continue;
      at->second.taking = true;
      spare = at->second.claim;
    }
    auto patched = give(spare, request);
    if (patched) {
      taken = name;
      return patched;
    }
    if (patched.error().code != Errc::conflict && patched.error().code != Errc::not_found)
      return std::move(patched).error();
  }
  std::string name = "app-" + request.label + "-" + random_hex(4);
  auto created = client_.create(sandbox_claims(), app_claim(options_.space, name, *pool, request));
  if (!created) return error_of_create(std::move(created).error());
  return created;
}

}  // namespace vibed::claims
