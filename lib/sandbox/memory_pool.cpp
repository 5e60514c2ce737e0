#include "sandbox/memory_pool.hpp"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/error_codes.hpp"
#include "sandbox/notifier.hpp"

namespace vibed::sandbox {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

TemplateStatus usual(std::string name, std::string lane, std::string version) {
  TemplateStatus status;
  status.description = "in memory";
  status.name = std::move(name);
  status.lane = std::move(lane);
  status.runtime_version = std::move(version);
  status.size = 2;
  status.ready = 2;
  status.available = true;
  return status;
}

std::vector<TemplateStatus> usual_templates() {
  return {usual("base-al2023", "general", "node v0 python 0 go0"),
          usual("go-123", "general", "go0"),
          usual("node-24", "general", "node v0"),
          usual("python-313", "general", "python 0"),
          usual("static-nginx", "fast", "nginx 0"),
          usual("workerd", "fast", "workerd 0")};
}

// The lines of one sandbox; shared with the streams that read them.
struct Journal {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::vector<LogLine> lines;  // guarded by mutex
  bool ended = false;          // guarded by mutex
};

class JournalStream final : public LogStream {
 public:
  JournalStream(std::shared_ptr<Journal> journal, const LogRequest& request)
      : journal_(std::move(journal)), follow_(request.follow) {
    std::lock_guard lock(journal_->mutex);
    std::size_t tail = request.tail < 0 ? 0 : static_cast<std::size_t>(request.tail);
    next_ = journal_->lines.size() - std::min(tail, journal_->lines.size());
  }

  Result<std::optional<LogLine>> next(std::stop_token stop, SteadyTime deadline) override {
    std::unique_lock lock(journal_->mutex);
    auto ready = [&] { return next_ < journal_->lines.size() || !follow_ || journal_->ended; };
    if (!journal_->changed.wait_until(lock, stop, deadline, ready)) {
      if (stop.stop_requested()) return Error{Errc::cancelled, "stopped waiting for a log line"};
      return Error{Errc::deadline_exceeded, "no log line came in time"};
    }
    if (next_ == journal_->lines.size()) return std::optional<LogLine>();
    return std::optional<LogLine>(journal_->lines[next_++]);
  }

 private:
  std::shared_ptr<Journal> journal_;
  bool follow_;
  std::size_t next_ = 0;
};

// Errors that the next calls of one method get.
struct Fault {
  std::optional<Error> error;
  int times = 0;

  void set(Error what, int count) {
    error = std::move(what);
    times = count;
  }
  std::optional<Error> take() {
    if (times <= 0) return std::nullopt;
    --times;
    return error;
  }
};

struct Entry {
  Sandbox sandbox;
  std::string label;
  Injection injection;
  bool injected = false;
  std::shared_ptr<Journal> journal = std::make_shared<Journal>();
};

class MemorySandboxPool final : public MemoryPool {
 public:
  explicit MemorySandboxPool(MemoryPoolOptions options)
      : options_(std::move(options)), timer_([this](std::stop_token stop) { run(stop); }) {
    if (options_.templates.empty()) options_.templates = usual_templates();
  }

  Result<Sandbox> claim(const SandboxRequest& request) override {
    std::lock_guard lock(mutex_);
    if (auto error = claims_.take()) return *error;
    for (const auto& [id, entry] : entries_) {
      if (entry.sandbox.app_uid == request.app_uid &&
          entry.sandbox.generation == request.generation &&
          entry.sandbox.phase != SandboxPhase::gone)
        return entry.sandbox;
    }
    const TemplateStatus* status = find_template(request.template_name);
    if (status == nullptr)
      return make_error("template_missing", "no template " + request.template_name);
    if (!status->available) return make_error("template_unavailable", status->message);
    if (alive_locked().size() >= options_.capacity)
      return make_error("pool_exhausted", "every sandbox is in use");
    return add(request, status->runtime_version);
  }

  Status inject(const std::string& id, const Injection& injection) override {
    bool missing = options_.sources != nullptr && !options_.sources->open(injection.source);
    std::lock_guard lock(mutex_);
    if (auto error = injects_.take()) return *error;
    auto at = entries_.find(id);
    if (at == entries_.end()) return Error{Errc::not_found, "no sandbox " + id};
    Entry& entry = at->second;
    if (entry.injected) return success();
    if (entry.sandbox.phase != SandboxPhase::bound)
      return Error{Errc::conflict, "sandbox " + id + " is not bound"};
    entry.injected = true;
    entry.injection = injection;
    entry.sandbox.injected_at = std::chrono::system_clock::now();
    journal_.push_back("inject " + id);
    change(entry, SandboxPhase::starting);
    Behaviour behaviour = behaviour_of(entry.sandbox.app);
    if (missing) {
      behaviour = {};
      behaviour.kind = Behaviour::Kind::failed;
      behaviour.reason = "InjectFailed";
      behaviour.message = "the source " + injection.source + " is not in the store";
    }
    if (behaviour.kind != Behaviour::Kind::never)
      at_time(behaviour.delay, [this, id, behaviour] { finish_locked(id, behaviour); });
    return success();
  }

  Status expose(const std::string& label, const std::string& id) override {
    std::lock_guard lock(mutex_);
    if (auto error = exposes_.take()) return *error;
    auto at = entries_.find(id);
    if (at == entries_.end()) return Error{Errc::not_found, "no sandbox " + id};
    if (at->second.sandbox.phase != SandboxPhase::listening)
      return Error{Errc::conflict, "sandbox " + id + " does not listen"};
    if (exposed_[label] == id) return success();
    if (auto old = entries_.find(exposed_[label]); old != entries_.end()) {
      old->second.sandbox.exposed = false;
      notify_change(old->second.sandbox.app);
    }
    exposed_[label] = id;
    at->second.sandbox.exposed = true;
    at->second.sandbox.upstream = options_.upstream_prefix + label + ".sock";
    journal_.push_back("expose " + label + " " + id);
    notify_change(at->second.sandbox.app);
    return success();
  }

  Status release(const std::string& id) override {
    std::lock_guard lock(mutex_);
    if (auto error = releases_.take()) return *error;
    auto at = entries_.find(id);
    if (at == entries_.end()) return success();
    journal_.push_back("release " + id);
    end_journal(at->second);
    std::erase_if(exposed_, [&](const auto& pair) { return pair.second == id; });
    std::string app = at->second.sandbox.app;
    entries_.erase(at);
    notify_change(app);
    return success();
  }

  std::vector<Sandbox> observe(const std::string& app_uid) override {
    std::lock_guard lock(mutex_);
    return select([&](const Sandbox& sandbox) { return sandbox.app_uid == app_uid; });
  }

  std::vector<Sandbox> observe_all() override {
    std::lock_guard lock(mutex_);
    return select([](const Sandbox&) { return true; });
  }

  Result<std::unique_ptr<LogStream>> logs(const std::string& id,
                                          const LogRequest& request) override {
    std::lock_guard lock(mutex_);
    auto at = entries_.find(id);
    if (at == entries_.end()) return Error{Errc::not_found, "no sandbox " + id};
    return std::unique_ptr<LogStream>(std::make_unique<JournalStream>(at->second.journal, request));
  }

  std::vector<TemplateStatus> templates() override {
    std::lock_guard lock(mutex_);
    auto result = options_.templates;
    for (TemplateStatus& status : result) {
      for (const auto& [id, entry] : entries_)
        status.claimed += entry.sandbox.template_name == status.name ? 1 : 0;
    }
    return result;
  }

  void subscribe(std::function<void(const std::string& app)> on_change) override {
    notifier_.subscribe(std::move(on_change));
  }

  void script(const std::string& app, Behaviour behaviour) override {
    std::lock_guard lock(mutex_);
    scripts_[app] = std::move(behaviour);
  }
  void script_default(Behaviour behaviour) override {
    std::lock_guard lock(mutex_);
    default_ = std::move(behaviour);
  }
  void fail_claims(Error error, int times) override { set(claims_, std::move(error), times); }
  void fail_injects(Error error, int times) override { set(injects_, std::move(error), times); }
  void fail_exposes(Error error, int times) override { set(exposes_, std::move(error), times); }
  void fail_releases(Error error, int times) override { set(releases_, std::move(error), times); }

  void drop_notifications(bool on) override {
    std::lock_guard lock(mutex_);
    dropping_ = on;
  }
  void notify(const std::string& app) override { notifier_.changed(app); }

  void bind(const std::string& id) override {
    std::lock_guard lock(mutex_);
    bind_locked(id);
  }
  void finish(const std::string& id, Behaviour behaviour) override {
    std::lock_guard lock(mutex_);
    finish_locked(id, behaviour);
  }
  void crash(const std::string& id) override {
    std::lock_guard lock(mutex_);
    auto at = entries_.find(id);
    if (at == entries_.end() || at->second.sandbox.phase != SandboxPhase::listening) return;
    at->second.sandbox.reason = "CrashLoop";
    at->second.sandbox.message = "the app crashed five times within a minute";
    change(at->second, SandboxPhase::failed);
  }
  void kill(const std::string& id) override {
    std::lock_guard lock(mutex_);
    auto at = entries_.find(id);
    if (at == entries_.end() || at->second.sandbox.phase == SandboxPhase::gone) return;
    end_journal(at->second);
    change(at->second, SandboxPhase::gone);
  }

  void log(const std::string& id, LogLine line) override {
    std::lock_guard lock(mutex_);
    auto at = entries_.find(id);
    if (at == entries_.end()) return;
    std::lock_guard lines(at->second.journal->mutex);
    at->second.journal->lines.push_back(std::move(line));
    at->second.journal->changed.notify_all();
  }

  std::vector<Sandbox> alive() override {
    std::lock_guard lock(mutex_);
    return alive_locked();
  }
  std::string exposed(const std::string& label) override {
    std::lock_guard lock(mutex_);
    auto at = exposed_.find(label);
    return at == exposed_.end() ? "" : at->second;
  }
  Injection injected(const std::string& id) override {
    std::lock_guard lock(mutex_);
    auto at = entries_.find(id);
    return at == entries_.end() ? Injection{} : at->second.injection;
  }
  std::vector<std::string> journal() override {
    std::lock_guard lock(mutex_);
    return journal_;
  }

 private:
  // All below: with mutex_ held.
  const TemplateStatus* find_template(const std::string& name) const {
    for (const TemplateStatus& status : options_.templates)
      if (status.name == name) return &status;
    return nullptr;
  }

  Sandbox add(const SandboxRequest& request, const std::string& version) {
    Entry entry;
    entry.label = request.label;
    Sandbox& sandbox = entry.sandbox;
    sandbox.id = "sb-" + std::to_string(++last_id_);
    sandbox.address = sandbox.id + ":9080";
    sandbox.app = request.app;
    sandbox.app_uid = request.app_uid;
    sandbox.generation = request.generation;
    sandbox.template_name = request.template_name;
    sandbox.runtime_version = version;
    auto boot = behaviour_of(request.app).boot;
    sandbox.phase = boot.count() == 0 ? SandboxPhase::bound : SandboxPhase::pending;
    Sandbox result = sandbox;
    journal_.push_back("claim " + request.app + " " + std::to_string(request.generation) + " " +
                       sandbox.id);
    entries_.emplace(result.id, std::move(entry));
    if (boot.count() > 0) at_time(boot, [this, id = result.id] { bind_locked(id); });
    notify_change(request.app);
    return result;
  }

  Behaviour behaviour_of(const std::string& app) const {
    auto at = scripts_.find(app);
    return at == scripts_.end() ? default_ : at->second;
  }

  void bind_locked(const std::string& id) {
    auto at = entries_.find(id);
    if (at == entries_.end() || at->second.sandbox.phase != SandboxPhase::pending) return;
    change(at->second, SandboxPhase::bound);
  }

  void finish_locked(const std::string& id, const Behaviour& behaviour) {
    auto at = entries_.find(id);
    if (at == entries_.end() || at->second.sandbox.phase != SandboxPhase::starting) return;
    Sandbox& sandbox = at->second.sandbox;
    sandbox.start_command = "app (in memory)";
    if (behaviour.kind == Behaviour::Kind::failed) {
      sandbox.reason = behaviour.reason;
      sandbox.message = behaviour.message;
      sandbox.log_tail = behaviour.log_tail;
      change(at->second, SandboxPhase::failed);
    } else if (behaviour.kind == Behaviour::Kind::listening) {
      sandbox.port = behaviour.port;
      change(at->second, SandboxPhase::listening);
    }
  }

  void change(Entry& entry, SandboxPhase phase) {
    entry.sandbox.phase = phase;
    notify_change(entry.sandbox.app);
  }

  void notify_change(const std::string& app) {
    if (!dropping_) notifier_.changed(app);
  }

  static void end_journal(Entry& entry) {
    std::lock_guard lock(entry.journal->mutex);
    entry.journal->ended = true;
    entry.journal->changed.notify_all();
  }

  template <class Predicate>
  std::vector<Sandbox> select(Predicate wanted) const {
    std::vector<Sandbox> result;
    for (const auto& [id, entry] : entries_)
      if (wanted(entry.sandbox)) result.push_back(entry.sandbox);
    std::stable_sort(result.begin(), result.end(), [](const Sandbox& a, const Sandbox& b) {
      return a.generation < b.generation;
    });
    return result;
  }

  std::vector<Sandbox> alive_locked() const {
    return select([](const Sandbox& sandbox) { return sandbox.phase != SandboxPhase::gone; });
  }

  void set(Fault& fault, Error error, int times) {
    std::lock_guard lock(mutex_);
    fault.set(std::move(error), times);
  }

  void at_time(std::chrono::milliseconds delay, std::function<void()> work) {
    later_.emplace(std::chrono::steady_clock::now() + delay, std::move(work));
    wake_.notify_all();
  }

  void run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      if (later_.empty()) {
        wake_.wait(lock, stop, [&] { return !later_.empty(); });
        continue;
      }
      SteadyTime due = later_.begin()->first;
      if (std::chrono::steady_clock::now() < due) {
        wake_.wait_until(lock, stop, due,
                         [&] { return later_.empty() || later_.begin()->first < due; });
        continue;
      }
      later_.extract(later_.begin()).mapped()();
    }
  }

  MemoryPoolOptions options_;
  Notifier notifier_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  int last_id_ = 0;                             // this and all below guarded by mutex_
  std::map<std::string, Entry> entries_;        // by id
  std::map<std::string, std::string> exposed_;  // label → id
  std::map<std::string, Behaviour> scripts_;    // by app
  Behaviour default_;
  Fault claims_, injects_, exposes_, releases_;
  bool dropping_ = false;
  std::vector<std::string> journal_;
  std::multimap<SteadyTime, std::function<void()>> later_;
  std::jthread timer_;  // last: uses all of the above
};

}  // namespace

std::unique_ptr<MemoryPool> make_memory_sandbox_pool(MemoryPoolOptions options) {
  return std::make_unique<MemorySandboxPool>(std::move(options));
}

}  // namespace vibed::sandbox
