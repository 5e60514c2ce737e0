// The composition of one machine: every part of vibed, opened in order and closed in reverse.
#include "vibed/engine.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdlib>
#include <utility>

#include "api/api.hpp"
#include "api/json.hpp"
#include "api/waiting_room.hpp"
#include "auth/authenticator.hpp"
#include "base/error_codes.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "engine/data_folder.hpp"
#include "engine/helpers.hpp"
#include "engine/route_follower.hpp"
#include "http/server.hpp"
#include "lifecycle/loop.hpp"
#include "observe/metrics.hpp"
#include "route/front_door.hpp"
#include "route/listen_address.hpp"
#include "sandbox/cgroup_division.hpp"
#include "sandbox/local_pool.hpp"
#include "service/service.hpp"
#include "service/sweep_sources.hpp"
#include "vibed/app_store.hpp"
#include "vibed/archive.hpp"
#include "vibed/source_store.hpp"
#include "vibed/template.hpp"

namespace vibed {
namespace {

using namespace std::chrono_literals;

// An upload that no record names after this long belongs to a deploy that was killed half way.
constexpr auto kOrphanAge = 1h;

class OneMachine final : public Engine {
 public:
  OneMachine(EngineOptions options, DataFolder folder)
      : options_(std::move(options)), folder_(std::move(folder)) {}

  ~OneMachine() override {
    if (Status closed = close(); !closed) log::error("close", {{"error", closed.error().message}});
  }

  Status start();

  std::string api_url() const override { return "http://" + api_->address(); }
  std::string apps_url() const override {
    std::string address = door_->address();
    return "http://" + options_.config.apps.domain + address.substr(address.rfind(':'));
  }

  Result<std::string> deploy(const std::string& path, std::string_view metadata_json) override;
  Result<std::string> deploy_bytes(std::string_view archive,
                                   std::string_view metadata_json) override;
  Result<std::string> list() override;
  Result<std::string> get(const std::string& app) override;
  Status remove(const std::string& app) override;
  Status close() override;

 private:
  void progress(std::string_view what) const {
    if (options_.progress) options_.progress(what);
  }
  Status open_records();
  Status open_pool();
  Status open_front_door();
  Status start_loops();
  Status start_api();
  Status sweep_sources_of_killed_deploys();
  std::vector<api::Component> components();
  Result<std::string> deploy_archive(const Service::Archive& archive,
                                     std::string_view metadata_json);

  EngineOptions options_;
  DataFolder folder_;
  Caller caller_;  // an embedder is the machine's owner
  std::stop_source stop_;
  std::atomic<bool> closed_{false};

  // In the order they are opened; closed and destroyed the other way round.
  observe::Metrics metrics_;
  std::unique_ptr<AppStore> apps_;
  std::unique_ptr<SourceStore> sources_;
  std::unique_ptr<sandbox::LocalPool> pool_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<http::Server> waiting_room_;
  std::unique_ptr<route::FrontDoor> door_;
  std::unique_ptr<lifecycle::Lifecycle> lifecycle_;
  std::unique_ptr<RouteFollower> follower_;
  std::unique_ptr<http::Server> api_;
};

Status OneMachine::start() {
  for (auto part : {&OneMachine::open_records, &OneMachine::open_pool, &OneMachine::open_front_door,
                    &OneMachine::start_loops, &OneMachine::start_api}) {
    if (Status done = (this->*part)(); !done) return done;
  }
  return success();
}

Status OneMachine::open_records() {
  auto apps = open_sqlite_app_store(folder_.database(), options_.config.deployment.apps_namespace);
  if (!apps) return std::move(apps).error().during("open records");
  apps_ = *std::move(apps);
  auto sources = open_served_source_store(folder_.sources(), "");
  if (!sources) return std::move(sources).error().during("open sources");
  sources_ = *std::move(sources);
  return sweep_sources_of_killed_deploys();
}

Status OneMachine::sweep_sources_of_killed_deploys() {
  auto swept = sweep_sources(*apps_, *sources_, std::chrono::system_clock::now() - kOrphanAge);
  if (!swept) return std::move(swept).error().during("sweep sources");
  return success();
}

Status OneMachine::open_pool() {
  auto agent = find_agent(options_.agent);
  if (!agent) return std::move(agent).error();
  auto folder = find_templates(options_.templates);
  if (!folder) return std::move(folder).error();
  progress("looking up runtimes");
  auto templates = load_templates(*folder);
  if (!templates) return std::move(templates).error().during("read templates");

  sandbox::LocalPoolOptions pool;
  pool.run_directory = folder_.run();
  pool.cache_directory = folder_.cache();
  pool.templates = *std::move(templates);
  pool.sources = sources_.get();
  pool.agent = *std::move(agent);
  pool.nginx_conf = *folder + "/static-nginx/nginx.conf";
  pool.sandbox = options_.config.sandbox;
  pool.pool = options_.config.pool;
  auto records = apps_->list("", 0, 0);
  if (!records) return std::move(records).error();
  pool.known_app = [items = std::move(records->items)](const std::string& uid) {
    for (const App& app : items) {
      if (app.uid == uid) return true;
    }
    return false;
  };
  if (options_.divide_cgroup) {
    Status divided = sandbox::divide_own_cgroup();
    if (!divided) log::debug("cgroup", {{"error", divided.error().message}});
  }
  progress("warming sandboxes");
  auto opened = sandbox::open_local_sandbox_pool(std::move(pool));
  if (!opened) return std::move(opened).error().during("open sandbox pool");
  pool_ = *std::move(opened);
  return success();
}

Status OneMachine::open_front_door() {
  ServiceOptions limits;
  limits.limits.packed_bytes =
      static_cast<std::uint64_t>(options_.config.limits.max_total_file_size);
  limits.log_streams_per_user = options_.config.limits.max_concurrent_log_streams_per_user;
  limits.log_streams = options_.config.limits.max_concurrent_log_streams_global;
  service_ = std::make_unique<Service>(*apps_, *sources_, *pool_,
                                       options_.config.deployment.apps_namespace, limits);

  http::ServerOptions room;
  room.spool_directory = folder_.spool();
  auto waiting = http::start_server("unix:" + folder_.run() + "/waiting-room.sock",
                                    api::make_waiting_room(*service_, {}), room);
  if (!waiting) return std::move(waiting).error().during("open waiting room");
  waiting_room_ = *std::move(waiting);

  progress("starting Caddy");
  route::FrontDoorOptions door;
  door.run = folder_.run();
  door.listen = options_.config.apps.listen;
  door.domain = options_.config.apps.domain;
  door.layout = options_.config.route.layout;
  door.program = options_.config.route.caddy;
  door.search_path = options_.search_path;
  auto started = route::FrontDoor::start(door);
  if (!started) return std::move(started).error().during("start Caddy");
  door_ = *std::move(started);
  return success();
}

Status OneMachine::start_loops() {
  auto address = route::parse_listen(door_->address());
  if (!address) return std::move(address).error();
  lifecycle::LoopOptions loop;
  loop.step.domain = options_.config.apps.domain;
  loop.step.url_port = address->port == 80 ? 0 : address->port;
  loop.step.start_timeout = options_.config.deployment.ready_timeout;
  lifecycle_ = lifecycle::Lifecycle::start(*apps_, *pool_, loop);
  follower_ = RouteFollower::start(*apps_, door_->routes());
  return success();
}

Status OneMachine::start_api() {
  api::ApiOptions options;
  auto authenticator = auth::Authenticator::make(options_.config.auth);
  if (!authenticator) return std::move(authenticator).error();
  options.authenticator = *std::move(authenticator);
  options.any_host = options_.config.auth.enabled;
  options.components = [this] { return components(); };
  options.sources = sources_.get();
  options.spool_directory = folder_.spool();
  options.max_source_bytes = static_cast<std::uint64_t>(options_.config.limits.max_total_file_size);
  auto started = http::start_server(options_.config.server.http_addr,
                                    api::make_api_router(*service_, metrics_, options),
                                    api::make_api_server_options(metrics_, options));
  if (!started) return std::move(started).error().during("start API");
  api_ = *std::move(started);
  return success();
}

std::vector<api::Component> OneMachine::components() {
  std::vector<api::Component> parts;
  auto listed = apps_->list("", 1, 0);
  parts.push_back({"store", listed.ok(), listed.ok() ? "" : listed.error().message});
  route::FrontDoorCondition door = door_->condition();
  parts.push_back({"caddy", door.serving, door.message});
  int available = 0;
  for (const TemplateStatus& each : pool_->templates()) available += each.available ? 1 : 0;
  parts.push_back({"pool", available > 0, available > 0 ? "" : "no template is available"});
  return parts;
}

Result<std::string> OneMachine::deploy_archive(const Service::Archive& archive,
                                               std::string_view metadata_json) {
  if (closed_) return Error{Errc::cancelled, "the engine is closed"};
  auto metadata = parse_deploy_metadata(metadata_json, "");
  if (!metadata) return std::move(metadata).error();
  auto outcome = service_->deploy(caller_, *metadata, archive, stop_.get_token());
  if (!outcome) return std::move(outcome).error();
  return api::app_json(outcome->app);
}

Result<std::string> OneMachine::deploy(const std::string& path, std::string_view metadata_json) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return errno_error("deploy " + path);
  if (!S_ISDIR(info.st_mode)) {
    return deploy_archive(
        {[path] { return open_file_source(path); }, static_cast<std::uint64_t>(info.st_size)},
        metadata_json);
  }
  Fd file(::open(folder_.spool().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file) return errno_error("make a temporary file in " + folder_.spool());
  auto packed = pack_directory(
      path, [&file](std::string_view bytes) { return write_all(file.get(), bytes, "pack"); });
  if (!packed) return std::move(packed).error();
  return deploy_archive({[&]() -> Result<std::unique_ptr<ByteSource>> {
                           return make_file_range_source(file.get(), 0, packed->packed_bytes);
                         },
                         packed->packed_bytes},
                        metadata_json);
}

Result<std::string> OneMachine::deploy_bytes(std::string_view archive,
                                             std::string_view metadata_json) {
  return deploy_archive(
      {[archive]() -> Result<std::unique_ptr<ByteSource>> { return make_memory_source(archive); },
       archive.size()},
      metadata_json);
}

Result<std::string> OneMachine::list() {
  if (closed_) return Error{Errc::cancelled, "the engine is closed"};
  auto page = service_->list(caller_, 0, 0);
  if (!page) return std::move(page).error();
  return api::page_json(*page);
}

Result<std::string> OneMachine::get(const std::string& app) {
  if (closed_) return Error{Errc::cancelled, "the engine is closed"};
  auto found = service_->get(caller_, app);
  if (!found) return std::move(found).error();
  return api::app_json(*found);
}

Status OneMachine::remove(const std::string& app) {
  if (closed_) return Error{Errc::cancelled, "the engine is closed"};
  return service_->remove(caller_, app, stop_.get_token());
}

Status OneMachine::close() {
  if (closed_.exchange(true)) return success();
  stop_.request_stop();
  if (api_) api_->stop();
  follower_.reset();
  lifecycle_.reset();
  if (door_ && options_.keep_apps) door_->keep();
  door_.reset();
  if (pool_) pool_->stop(options_.keep_apps);
  if (waiting_room_) waiting_room_->stop();
  return success();
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::open(const EngineOptions& options) {
  if (Status safe = auth::check_exposure(options.config); !safe) return std::move(safe).error();
  auto folder = DataFolder::open(options.data);
  if (!folder) return std::move(folder).error();
  auto machine = std::make_unique<OneMachine>(options, *std::move(folder));
  if (Status started = machine->start(); !started) return std::move(started).error();
  return std::unique_ptr<Engine>(std::move(machine));
}

}  // namespace vibed
