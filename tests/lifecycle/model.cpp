#include "lifecycle/model.hpp"

#include <algorithm>

#include "lifecycle/status.hpp"

namespace vibed::lifecycle::testing {
namespace {

constexpr std::chrono::seconds kStartTimeout{60};
const Error kDown{Errc::unavailable, "it does not answer"};

// Something may happen around every call: a World::meanwhile() before and after it.
class Around {
 public:
  explicit Around(World& world) : world_(world) { world_.meanwhile(); }
  // A crash after the effect; not from a destructor.
  template <class T>
  T done(T value) {
    world_.meanwhile();
    return value;
  }

 private:
  World& world_;
};

void start(World& world, Sandbox& box) {
  box.phase = SandboxPhase::starting;
  box.injected_at = world.now;
}

void fail(World& world, Sandbox& box, std::string reason) {
  box.phase = SandboxPhase::failed;
  box.reason = std::move(reason);
  box.message = "it ended";
  world.unlucky.insert({box.app_uid, box.generation});
}

// Where an injected source leads when nothing disturbs it.
void arrive(World& world, Sandbox& box) {
  const std::string& source = world.sources[box.id];
  if (source == "good") box.phase = SandboxPhase::listening;
  if (source == "crash") fail(world, box, "AppExited");
}

void end(World& world, Sandbox& box) {
  box.phase = SandboxPhase::gone;
  world.changed(box.app);
}

}  // namespace

void World::meanwhile() {
  if (!chaos) return;
  if (!inside) {
    inside = true;
    if (chance(4)) user_acts();
    while (chance(15)) machine_acts();
    if (chance(10)) pass(std::chrono::milliseconds(pick(3000)));
    inside = false;
  }
  if (chance(2)) throw Crash{};
}

void World::changed(const std::string& app) {
  if (lossy && chaos && chance(20)) return;
  auto at = static_cast<std::ptrdiff_t>(pick(events.size() + 1));
  events.insert(events.begin() + at, app);
  if (chance(10)) events.push_back(app);
}

void World::pass(std::chrono::milliseconds time) {
  now += time;
  for (auto& [id, box] : boxes) {
    // A restart may have its minute from when the record tells of it; never less than this.
    if (box.phase == SandboxPhase::starting && now - box.injected_at >= kStartTimeout) {
      unlucky.insert({box.app_uid, box.generation});
    }
  }
}

void World::user_acts() {
  static const std::string kNames[] = {"a", "b", "c"};
  const std::string name = kNames[pick(3)];
  auto at = apps.find(name);
  changed(name);
  if (at == apps.end()) {
    App app;
    app.name = name;
    app.space = "vibed-apps";
    app.uid = "uid" + std::to_string(++counter);
    app.generation = 1;
    app.spec.lane = "general";
    app.spec.template_name = "node-24";
    app.spec.source = chance(70) ? "good" : chance(50) ? "crash" : "never";
    app.resource_version = ++version;
    apps[name] = app;
    return;
  }
  App& app = at->second;
  if (app.removed_at) return;
  app.resource_version = ++version;
  if (chance(8)) {
    app.removed_at = now;
  } else if (lossy && chance(3)) {
    apps.erase(at);  // as if the database had been lost
  } else if (chance(25)) {
    app.spec.suspended = !app.spec.suspended;
    ++app.generation;
  } else {
    app.spec.source = chance(60) ? "good" : chance(60) ? "crash" : "never";
    app.spec.suspended = false;
    ++app.generation;
  }
}

void World::machine_acts() {
  if (boxes.empty()) return;
  auto at = boxes.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(pick(boxes.size())));
  Sandbox& box = at->second;
  if (chance(5)) return end(*this, box);
  switch (box.phase) {
    case SandboxPhase::pending: box.phase = SandboxPhase::bound; break;
    case SandboxPhase::bound:
      if (injected_not_seen.erase(box.id) != 0) start(*this, box);
      break;
    case SandboxPhase::starting: arrive(*this, box); break;
    case SandboxPhase::listening:
      if (chance(20)) start(*this, box);  // it restarts in place
      if (chance(5)) fail(*this, box, "CrashLoop");
      break;
    case SandboxPhase::failed:
    case SandboxPhase::gone: break;
  }
  changed(box.app);
}

void World::settle() {
  for (auto& [id, box] : boxes) {
    const SandboxPhase before = box.phase;
    if (box.phase == SandboxPhase::pending) box.phase = SandboxPhase::bound;
    if (injected_not_seen.erase(id) != 0) start(*this, box);
    if (box.phase == SandboxPhase::starting) arrive(*this, box);
    if (box.phase != before) changed(box.app);
  }
}

Result<App> ModelStore::create(const App&) { return Error{Errc::internal, "not in the model"}; }
Result<App> ModelStore::write_spec(const App&) { return Error{Errc::internal, "not in the model"}; }
Status ModelStore::remove(const std::string&) { return Error{Errc::internal, "not in the model"}; }
Result<App> ModelStore::find_by_label(const std::string&) {
  return Error{Errc::internal, "not in the model"};
}
std::unique_ptr<AppWatch> ModelStore::watch(std::int64_t) { return nullptr; }

Result<App> ModelStore::get(const std::string& name) {
  Around around(world_);
  if (world_.chaos && world_.chance(2)) return kDown;
  auto at = world_.apps.find(name);
  if (at == world_.apps.end()) return Error{Errc::not_found, "no such app"};
  world_.known[name] = at->second;
  return around.done(Result<App>(at->second));
}

Result<AppPage> ModelStore::list(const std::string&, std::int64_t, std::int64_t) {
  Around around(world_);
  AppPage page;
  for (const auto& [name, app] : world_.apps) page.items.push_back(app);
  return page;
}

Result<App> ModelStore::write_status(const std::string& name, const std::string& uid,
                                     const AppStatus& status) {
  if (status.phase == Phase::ready) {
    const auto& seen = world_.seen[uid];
    const bool true_then = std::any_of(seen.begin(), seen.end(), [&](const Sandbox& box) {
      return box.exposed && box.phase == SandboxPhase::listening &&
             box.generation == status.observed_generation;
    });
    if (!true_then) world_.wrong("Ready although nothing exposed listens");
  }
  Around around(world_);
  if (world_.chaos && world_.chance(3)) return kDown;
  auto at = world_.apps.find(name);
  if (at == world_.apps.end() || at->second.uid != uid) {
    return Error{Errc::not_found, "no such app"};
  }
  if (at->second.status != status) {
    at->second.status = status;
    at->second.resource_version = ++world_.version;
    world_.changed(name);
  }
  world_.known[name] = at->second;
  return around.done(Result<App>(at->second));
}

Status ModelStore::finish_remove(const std::string& name, const std::string& uid) {
  Around around(world_);
  if (world_.chaos && world_.chance(3)) return kDown;
  auto at = world_.apps.find(name);
  if (at == world_.apps.end() || at->second.uid != uid) return success();
  if (!at->second.removed_at) world_.wrong("an app is gone that nobody removed");
  for (const auto& [id, box] : world_.boxes) {
    if (box.app_uid == uid) world_.wrong("an app is gone that still has a sandbox");
  }
  world_.apps.erase(at);
  world_.changed(name);
  return around.done(success());
}

Result<Sandbox> ModelPool::claim(const SandboxRequest& request) {
  const App& known = world_.known[request.app];
  if (known.generation == request.generation && recorded_failure(known)) {
    world_.wrong("a failed generation is claimed again");
  }
  Around around(world_);
  if (world_.chaos && world_.chance(10)) {
    return Error{Errc::resource_exhausted, "no sandbox is free", "pool_exhausted"};
  }
  for (const auto& [id, box] : world_.boxes) {
    if (box.app_uid == request.app_uid && box.generation == request.generation &&
        box.phase != SandboxPhase::gone) {
      return box;
    }
  }
  Sandbox box;
  box.id = "box" + std::to_string(++world_.counter);
  box.app = request.app;
  box.app_uid = request.app_uid;
  box.generation = request.generation;
  box.phase = world_.chance(50) ? SandboxPhase::bound : SandboxPhase::pending;
  world_.boxes[box.id] = box;
  return around.done(Result<Sandbox>(box));
}

Status ModelPool::inject(const std::string& id, const Injection& injection) {
  Around around(world_);
  if (world_.chaos && world_.chance(5)) return kDown;
  auto at = world_.boxes.find(id);
  if (at == world_.boxes.end()) return Error{Errc::not_found, "no such sandbox"};
  if (at->second.phase != SandboxPhase::bound || world_.sources.contains(id)) return success();
  world_.sources[id] = injection.source;
  if (world_.chance(70)) {
    start(world_, at->second);
  } else {
    world_.injected_not_seen.insert(id);
  }
  world_.changed(at->second.app);
  return around.done(success());
}

Status ModelPool::expose(const std::string& label, const std::string& id) {
  Around around(world_);
  if (world_.chaos && world_.chance(5)) return kDown;
  auto at = world_.boxes.find(id);
  if (at == world_.boxes.end() || at->second.phase != SandboxPhase::listening) {
    return Error{Errc::conflict, "it does not listen"};
  }
  world_.exposed[label] = id;
  return around.done(success());
}

Status ModelPool::release(const std::string& id) {
  auto at = world_.boxes.find(id);
  if (at == world_.boxes.end()) return success();
  const Sandbox before = at->second;
  const App& known = world_.known[before.app];
  auto recorded = [&](const std::string& uid) {
    auto app = world_.apps.find(before.app);
    return app != world_.apps.end() && app->second.uid == uid;
  };
  const bool serving = before.phase == SandboxPhase::listening &&
                       std::any_of(world_.exposed.begin(), world_.exposed.end(),
                                   [&](const auto& pair) { return pair.second == id; });
  // A sandbox may begin to listen again between the look and the deed; then it was not when seen.
  const auto& seen = world_.seen[before.app_uid];
  const bool seen_serving = std::any_of(seen.begin(), seen.end(), [&](const Sandbox& box) {
    return box.id == id && box.exposed && box.phase == SandboxPhase::listening;
  });
  if (serving && seen_serving && known.uid == before.app_uid && !known.removed_at &&
      !known.spec.suspended &&
      !(recorded_failure(known) && known.generation == before.generation) &&
      recorded(before.app_uid)) {
    world_.wrong("what serves is released");
  }
  Around around(world_);
  if (world_.chaos && world_.chance(3)) return kDown;
  std::erase_if(world_.exposed, [&](const auto& pair) { return pair.second == id; });
  world_.boxes.erase(id);
  return around.done(success());
}

std::vector<Sandbox> ModelPool::observe(const std::string& app_uid) {
  world_.meanwhile();
  std::vector<Sandbox> boxes;
  for (Sandbox& box : observe_all()) {
    if (box.app_uid == app_uid) boxes.push_back(std::move(box));
  }
  world_.seen[app_uid] = boxes;
  return boxes;
}

std::vector<Sandbox> ModelPool::observe_all() {
  std::vector<Sandbox> boxes;
  for (const auto& [id, box] : world_.boxes) {
    boxes.push_back(box);
    boxes.back().exposed =
        std::any_of(world_.exposed.begin(), world_.exposed.end(),
                    [&, &box_id = id](const auto& pair) { return pair.second == box_id; });
  }
  std::stable_sort(boxes.begin(), boxes.end(),
                   [](const Sandbox& a, const Sandbox& b) { return a.generation < b.generation; });
  return boxes;
}

Result<std::unique_ptr<LogStream>> ModelPool::logs(const std::string&, const LogRequest&) {
  return Error{Errc::internal, "not in the model"};
}

void ModelPool::subscribe(std::function<void(const std::string&)>) {}

}  // namespace vibed::lifecycle::testing
