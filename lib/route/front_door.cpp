#include "route/front_door.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/error_codes.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "route/caddy_document.hpp"
#include "route/caddy_process.hpp"
#include "route/listen_address.hpp"
#include "route/per_app_routes.hpp"
#include "route/wildcard_routes.hpp"

namespace vibed::route {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kPortTries = 5;
constexpr milliseconds kFirstDelay{50};
constexpr milliseconds kLongestDelay{5'000};
constexpr std::chrono::seconds kHealthyLife{10};

// What start() found out before there is a FrontDoor.
struct Opening {
  FrontDoorPlan plan;
  CaddyProgram program;
  CaddyFiles files;
};

class CaddyFrontDoor final : public FrontDoor {
 public:
  CaddyFrontDoor(Opening opening, RunningCaddy caddy, bool adopted)
      : plan_(std::move(opening.plan)),
        program_(std::move(opening.program)),
        files_(std::move(opening.files)),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        caddy_(std::move(caddy)) {
    if (plan_.layout == Layout::wildcard) {
      routes_ = std::make_unique<WildcardRoutes>(plan_.run, plan_.domain);
    } else {
      auto per_app = std::make_unique<PerAppRoutes>(CaddyAdmin(files_.admin_socket()), plan_.domain,
                                                    plan_.routes);
      per_app_ = per_app.get();
      routes_ = std::move(per_app);
    }
    condition_.serving = true;
    condition_.adopted = adopted;
    condition_.pid = caddy_.process.pid();
    condition_.version = to_string(caddy_.state.version);
    thread_ = std::jthread([this](const std::stop_token& stop) { supervise(stop); });
  }

  ~CaddyFrontDoor() override { stop(); }

  std::string address() const override { return plan_.listen; }
  RouteTable& routes() override { return *routes_; }

  FrontDoorCondition condition() const override {
    const std::lock_guard lock(mutex_);
    return condition_;
  }

  void keep() override { kept_ = true; }

  void stop() override {
    const std::lock_guard lock(stop_mutex_);
    if (!thread_.joinable()) return;
    thread_.request_stop();
    const std::uint64_t one = 1;
    static_cast<void>(::write(wake_.get(), &one, sizeof one));
    thread_.join();
    if (!kept_) stop_caddy(caddy_, files_);
    const std::lock_guard state(mutex_);
    condition_.serving = false;
    condition_.message = "stopped";
  }

 private:
  void supervise(const std::stop_token& stop) {
    auto born = steady_clock::now();
    milliseconds delay{0};
    while (wait_for_death(stop)) {
      const auto died = steady_clock::now();
      const bool healthy = died - born > kHealthyLife;
      delay = healthy ? milliseconds(0) : next_delay(delay);
      caddy_.ended(milliseconds(0));  // reaps
      note_death();
      // After a healthy life it is started again at once.
      while (!pause(delay, stop) || !restart(stop)) {
        if (stop.stop_requested()) return;
        delay = next_delay(delay);
      }
      born = steady_clock::now();
      note_restart(duration_cast<milliseconds>(born - died));
    }
  }

  // False when it is time to stop.
  bool wait_for_death(const std::stop_token& stop) {
    pollfd items[] = {{caddy_.process.fd(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    while (!stop.stop_requested()) {
      if (::poll(items, 2, -1) > 0 && (items[0].revents & POLLIN) != 0) {
        return !stop.stop_requested();
      }
    }
    return false;
  }

  bool pause(milliseconds delay, const std::stop_token& stop) {
    pollfd item{wake_.get(), POLLIN, 0};
    ::poll(&item, 1, static_cast<int>(delay.count()));
    return !stop.stop_requested();
  }

  static milliseconds next_delay(milliseconds delay) {
    return std::clamp(delay * 2, kFirstDelay, kLongestDelay);
  }

  bool restart(const std::stop_token& stop) {
    if (per_app_ != nullptr) plan_.routes = per_app_->routes();
    auto started = start_caddy({.program = program_,
                                .listen = plan_.listen,
                                .document = caddy_document(plan_),
                                .files = files_,
                                .stop = stop});
    if (started) {
      caddy_ = std::move(*started);
      return true;
    }
    log::error("caddy did not come back", {{"error", started.error().message}});
    const std::lock_guard lock(mutex_);
    condition_.message = started.error().message;
    return false;
  }

  void note_death() {
    log::warn("caddy ended", {{"pid", std::to_string(caddy_.process.pid())}});
    const std::lock_guard lock(mutex_);
    condition_.serving = false;
    condition_.message = "caddy ended and is being started again";
  }

  void note_restart(milliseconds outage) {
    log::warn("caddy is back", {{"pid", std::to_string(caddy_.process.pid())},
                                {"outage_ms", std::to_string(outage.count())}});
    const std::lock_guard lock(mutex_);
    condition_.serving = true;
    condition_.adopted = false;
    condition_.pid = caddy_.process.pid();
    condition_.restarts += 1;
    condition_.last_outage = outage;
    condition_.message.clear();
  }

  FrontDoorPlan plan_;  // routes: the supervisor's alone
  const CaddyProgram program_;
  const CaddyFiles files_;
  Fd wake_;
  RunningCaddy caddy_;  // the supervisor's while it runs, then stop()'s
  std::unique_ptr<RouteTable> routes_;
  PerAppRoutes* per_app_ = nullptr;  // routes_, when it is one
  std::atomic<bool> kept_ = false;
  mutable std::mutex mutex_;
  FrontDoorCondition condition_;  // guarded by mutex_
  std::mutex stop_mutex_;
  std::jthread thread_;
};

Result<Opening> open_plan(const FrontDoorOptions& options) {
  Opening opening;
  if (options.layout != "wildcard" && options.layout != "per-app") {
    return make_error("bad_config", "route.layout is wildcard or per-app, not " + options.layout);
  }
  opening.plan.layout = options.layout == "wildcard" ? Layout::wildcard : Layout::per_app;
  opening.plan.domain = options.domain;
  opening.plan.run = options.run;
  opening.files.run = options.run;
  auto program = find_caddy(options.program, options.search_path);
  if (!program) return std::move(program).error();
  opening.program = std::move(*program);
  return opening;
}

// Makes an adopted Caddy serve what this vibed wants; `wanted` is where it should listen.
Status bring_in_line(RunningCaddy& caddy, Opening& opening, ListenAddress wanted) {
  auto running = CaddyAdmin(opening.files.admin_socket()).config(milliseconds(10'000));
  if (!running) return running.error();
  auto present = parse_listen(caddy.state.listen);
  if (wanted.port == 0 && present && present->host == wanted.host) wanted.port = present->port;
  if (!present || *present != wanted) {
    auto claimed = claim_port(wanted);
    if (!claimed) return std::move(claimed).error();
    wanted = *claimed;
  }
  opening.plan.listen = to_string(wanted);
  opening.plan.version = caddy.state.version;
  if (opening.plan.layout == Layout::per_app) opening.plan.routes = routes_of(*running);
  const nlohmann::json document = caddy_document(opening.plan);
  if (document == *running) return success();
  if (auto loaded = CaddyAdmin(opening.files.admin_socket()).load(document); !loaded) {
    return loaded;
  }
  caddy.state.listen = opening.plan.listen;
  return remember_caddy(caddy.state, opening.files);
}

// A free port may be gone by the time Caddy wants it; then another one is tried.
Result<RunningCaddy> start_fresh(Opening& opening, const ListenAddress& wanted) {
  opening.plan.version = opening.program.version;
  for (int attempt = 1;; ++attempt) {
    auto listen = claim_port(wanted);
    if (!listen) return std::move(listen).error().during("start the front door");
    opening.plan.listen = to_string(*listen);
    auto started = start_caddy({.program = opening.program,
                                .listen = opening.plan.listen,
                                .document = caddy_document(opening.plan),
                                .files = opening.files});
    const bool taken =
        !started && started.error().message.find("address already in use") != std::string::npos;
    if (started || !taken || wanted.port != 0 || attempt == kPortTries) return started;
  }
}

}  // namespace

Result<std::unique_ptr<FrontDoor>> FrontDoor::start(const FrontDoorOptions& options) {
  auto opening = open_plan(options);
  if (!opening) return std::move(opening).error();
  auto wanted = parse_listen(options.listen);
  if (!wanted) return std::move(wanted).error().during("apps.listen");
  if (auto made = make_directories(options.run + "/apps", 0755); !made) return made.error();

  auto adopted = adopt_caddy(opening->files);
  // Another program than the one asked for is not kept, nor one that cannot have this layout.
  if (adopted && (adopted->state.program != opening->program.path ||
                  !check_layout(opening->plan.layout, adopted->state.version))) {
    stop_caddy(*adopted, opening->files);
    adopted.reset();
  }
  if (adopted) {
    if (auto done = bring_in_line(*adopted, *opening, *wanted); !done) return done.error();
    return std::unique_ptr<FrontDoor>(
        std::make_unique<CaddyFrontDoor>(std::move(*opening), std::move(*adopted), true));
  }
  if (auto fits = check_layout(opening->plan.layout, opening->program.version); !fits) {
    return fits.error();
  }
  auto started = start_fresh(*opening, *wanted);
  if (!started) return std::move(started).error();
  return std::unique_ptr<FrontDoor>(
      std::make_unique<CaddyFrontDoor>(std::move(*opening), std::move(*started), false));
}

}  // namespace vibed::route
