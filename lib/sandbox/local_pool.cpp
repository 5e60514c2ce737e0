// The pool's interface, and how it is opened.
#include "sandbox/local_pool.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "base/error_codes.hpp"
#include "base/files.hpp"
#include "base/ids.hpp"
#include "process/seccomp.hpp"
#include "sandbox/local_sandbox_pool.hpp"

namespace vibed::sandbox {
namespace {

// What an unclaimed sandbox costs, generously: agent, bubblewrap, page tables, mounts.
constexpr std::int64_t kWarmBytes = 16LL * 1024 * 1024;
constexpr std::size_t kMaxSandboxes = 1000;
constexpr std::size_t kFdsEach = 3;
constexpr std::size_t kFdsOfOthers = 200;

// The lines a sandbox left when it ended.
class LeftLines final : public LogStream {
 public:
  explicit LeftLines(std::vector<std::string> lines) : lines_(std::move(lines)) {}

  Result<std::optional<LogLine>> next(std::stop_token,
                                      std::chrono::steady_clock::time_point) override {
    if (next_ == lines_.size()) return std::optional<LogLine>();
    return std::optional<LogLine>(LogLine{{}, "vibed", lines_[next_++]});
  }

 private:
  std::vector<std::string> lines_;
  std::size_t next_ = 0;
};

std::int64_t machine_memory() {
  return static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
}

}  // namespace

LedgerLimits ledger_limits(const Config::Pool& pool) {
  std::int64_t memory = pool.memory > 0 ? pool.memory : machine_memory() / 10;
  rlimit files = {};
  ::getrlimit(RLIMIT_NOFILE, &files);
  LedgerLimits limits;
  limits.warm = static_cast<std::size_t>(std::max<std::int64_t>(memory / kWarmBytes, 1));
  std::size_t room = files.rlim_cur > kFdsOfOthers ? (files.rlim_cur - kFdsOfOthers) / kFdsEach : 1;
  limits.total = std::min(kMaxSandboxes, room);
  return limits;
}

std::vector<Template> wanted_templates(const LocalPoolOptions& options) {
  std::vector<Template> result;
  for (Template each : options.templates) {
    const auto& off = options.pool.disabled;
    if (std::find(off.begin(), off.end(), each.name) != off.end()) continue;
    auto size = options.pool.sizes.find(each.name);
    if (size != options.pool.sizes.end())
      each.size = size->second;
    else if (each.size == Template().size)  // the template itself does not say
      each.size = options.pool.size;
    result.push_back(std::move(each));
  }
  return result;
}

Status LocalSandboxPool::open() {
  if (auto read = upstreams_.open(); !read) return read;
  adopt_all();
  hold_back_go();
  schedule_refill();
  return success();
}

// state.json learns of the claim when the injection begins. After a crash before that a successor
// finds a warm sandbox, ends it, and the app claims another.
Result<Sandbox> LocalSandboxPool::claim(const SandboxRequest& request) {
  std::unique_lock lock(mutex_);
  if (stopping_) return make_error("stopping", "the pool is stopping");
  auto claimed = ledger_.claim(request, random_hex(6), SteadyClock::now());
  if (!claimed) return std::move(claimed).error();
  Sandbox sandbox = claimed->sandbox;
  if (!claimed->fresh) return sandbox;
  Slot* slot = ledger_.find(sandbox.id);
  slot->sandbox.upstream = "unix/" + upstreams_.path(request.label);
  sandbox = slot->sandbox;
  if (!ledger_.bootable(request.template_name)) {
    go_wanted_ = true;
    changed_.notify_all();
  }
  if (claimed->boot) boot_crew_.add_first([this, id = sandbox.id] { boot(id); });
  lock.unlock();
  schedule_refill();
  return sandbox;
}

Status LocalSandboxPool::inject(const std::string& id, const Injection& injection) {
  std::lock_guard lock(mutex_);
  if (stopping_) return make_error("stopping", "the pool is stopping");
  Slot* slot = ledger_.find(id);
  if (slot == nullptr || !slot->claimed()) return Error{Errc::not_found, "no sandbox " + id};
  if (slot->injected) return success();
  auto guest = guest_of(id);
  if (slot->sandbox.phase != SandboxPhase::bound || !guest)
    return Error{Errc::conflict, "sandbox " + id + " is not bound"};
  slot->injected = true;
  set_starting(slot->sandbox);
  guest->running().record.injected_at = slot->sandbox.injected_at;
  notifier_.changed(slot->sandbox.app);
  crew_.add_first([this, guest, injection, generation = slot->sandbox.generation] {
    bring_in(guest, injection, generation);
  });
  return success();
}

Status LocalSandboxPool::expose(const std::string& label, const std::string& id) {
  std::shared_ptr<Guest> old;
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return make_error("stopping", "the pool is stopping");
    Slot* slot = ledger_.find(id);
    if (slot == nullptr || !slot->claimed()) return Error{Errc::not_found, "no sandbox " + id};
    if (slot->sandbox.phase != SandboxPhase::listening)
      return Error{Errc::conflict, "sandbox " + id + " does not listen"};
    std::string before = upstreams_.current(label);
    if (before != id) {
      if (auto moved = upstreams_.move(label, id); !moved) return moved;
      old = guest_of(before);
      if (Slot* left = ledger_.find(before)) left->sandbox.exposed = false;
    }
    slot->sandbox.exposed = true;
    notifier_.changed(slot->sandbox.app);
  }
  if (old) shut_relay(*old);
  return success();
}

Status LocalSandboxPool::release(const std::string& id) {
  std::lock_guard lock(mutex_);
  if (stopping_) return make_error("stopping", "the pool is stopping");
  Slot* slot = ledger_.find(id);
  if (slot == nullptr || !slot->claimed()) return success();
  upstreams_.remove(slot->label, id);
  // Only an app that listened has connections that are worth waiting for.
  bool drain = slot->sandbox.port != 0;
  notifier_.changed(slot->sandbox.app);
  ledger_.forget(id);
  retire(id, drain);
  return success();
}

std::vector<Sandbox> LocalSandboxPool::observe(const std::string& app_uid) {
  return select([&](const Sandbox& sandbox) { return sandbox.app_uid == app_uid; });
}

std::vector<Sandbox> LocalSandboxPool::observe_all() {
  return select([](const Sandbox&) { return true; });
}

Result<std::unique_ptr<LogStream>> LocalSandboxPool::logs(const std::string& id,
                                                          const LogRequest& request) {
  std::lock_guard lock(mutex_);
  Slot* slot = ledger_.find(id);
  if (slot == nullptr || !slot->claimed()) return Error{Errc::not_found, "no sandbox " + id};
  auto guest = guest_of(id);
  if (!guest) {
    return std::unique_ptr<LogStream>(std::make_unique<LeftLines>(slot->sandbox.log_tail));
  }
  return agent_logs(*client_, guest->address(), request);
}

std::vector<TemplateStatus> LocalSandboxPool::templates() {
  std::lock_guard lock(mutex_);
  return ledger_.templates();
}

void LocalSandboxPool::subscribe(std::function<void(const std::string& app)> on_change) {
  notifier_.subscribe(std::move(on_change));
}

Result<std::string> find_bubblewrap(const std::string& configured) {
  if (!configured.empty()) {
    if (::access(configured.c_str(), X_OK) == 0) return configured;
    return Error{Errc::not_found, "sandbox.bubblewrap: no program " + configured};
  }
  for (const char* folder : {"/usr/bin", "/usr/local/bin", "/bin"}) {
    std::string path = std::string(folder) + "/bwrap";
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return Error{Errc::not_found, "bubblewrap is not installed (Debian: apt-get install bubblewrap)"};
}

Result<std::unique_ptr<LocalPool>> open_local_sandbox_pool(LocalPoolOptions options) {
  auto bubblewrap = find_bubblewrap(options.sandbox.bubblewrap);
  if (!bubblewrap) return std::move(bubblewrap).error();
  if (control_socket(options.run_directory, "0123456789ab").size() > 107)
    return make_error("path_too_long", options.run_directory + " is too long for unix sockets");
  if (auto made = make_directories(options.run_directory + "/sandboxes", 0700); !made)
    return std::move(made).error();
  if (!options.cache_directory.empty()) {
    if (auto made = make_directories(options.cache_directory); !made)
      return std::move(made).error();
  }
  auto share = make_share({options.run_directory + "/share", options.agent, options.nginx_conf});
  if (!share) return std::move(share).error();
  auto filter = sandbox_filter();
  if (!filter) return std::move(filter).error();
  auto loop = EventLoop::start();
  if (!loop) return std::move(loop).error();
  LauncherOptions launcher;
  launcher.run_directory = options.run_directory;
  launcher.bubblewrap = *bubblewrap;
  launcher.limits = options.sandbox;
  launcher.share = *share;
  launcher.cache_directory = options.cache_directory;
  launcher.seccomp = *filter;
  auto pool =
      std::make_unique<LocalSandboxPool>(std::move(options), std::move(launcher), std::move(*loop));
  if (auto opened = pool->open(); !opened) return std::move(opened).error();
  return std::unique_ptr<LocalPool>(std::move(pool));
}

}  // namespace vibed::sandbox
