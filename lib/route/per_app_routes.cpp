#include "route/per_app_routes.hpp"

#include "route/caddy_document.hpp"

namespace vibed::route {

using nlohmann::json;
using std::chrono::steady_clock;

PerAppRoutes::PerAppRoutes(CaddyAdmin admin, std::string domain, const std::vector<Route>& known,
                           std::chrono::milliseconds interval, std::string try_duration)
    : admin_(std::move(admin)),
      domain_(std::move(domain)),
      interval_(interval),
      try_duration_(std::move(try_duration)) {
  for (const auto& route : known) wanted_.insert_or_assign(route.host, route.upstream);
  served_ = wanted_;
  worker_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
}

PerAppRoutes::~PerAppRoutes() {
  worker_.request_stop();
  worker_.join();
}

Status PerAppRoutes::publish(const Route& route) {
  std::unique_lock lock(mutex_);
  wanted_.insert_or_assign(route.host, route.upstream);
  const auto at = served_.find(route.host);
  if (open_ == nullptr && at != served_.end() && at->second == route.upstream) return success();
  return join_batch(lock, route.host, false);
}

Status PerAppRoutes::withdraw(const std::string& host) {
  std::unique_lock lock(mutex_);
  wanted_.erase(host);
  if (open_ == nullptr && !served_.contains(host)) return success();
  return join_batch(lock, host, false);
}

Status PerAppRoutes::resync(const std::vector<Route>& routes) {
  std::unique_lock lock(mutex_);
  wanted_.clear();
  for (const auto& route : routes) wanted_.insert_or_assign(route.host, route.upstream);
  return join_batch(lock, "", true);
}

std::vector<Route> PerAppRoutes::routes() const {
  const std::lock_guard lock(mutex_);
  std::vector<Route> result;
  for (const auto& [host, upstream] : wanted_) result.push_back({host, upstream});
  return result;
}

Status PerAppRoutes::join_batch(std::unique_lock<std::mutex>& lock, const std::string& host,
                                bool all) {
  if (stopping_) return Error{Errc::cancelled, "the front door is stopping"};
  if (open_ == nullptr) open_ = std::make_shared<Batch>();
  const std::shared_ptr<Batch> mine = open_;
  mine->all = mine->all || all;
  if (!all) mine->hosts.insert(host);
  changed_.notify_all();
  changed_.wait(lock, [&] { return mine->done; });
  return mine->outcome;
}

void PerAppRoutes::work(const std::stop_token& stop) {
  auto next = steady_clock::now();
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, stop, [this] { return open_ != nullptr; });
    changed_.wait_until(lock, stop, next, [] { return false; });  // more may join meanwhile
    const std::shared_ptr<Batch> batch = std::exchange(open_, nullptr);
    if (stop.stop_requested()) stopping_ = true;
    Status outcome = Error{Errc::cancelled, "the front door is stopping"};
    if (batch != nullptr && !stopping_) {
      lock.unlock();
      outcome = send(*batch);
      lock.lock();
      next = steady_clock::now() + interval_;
    }
    if (batch != nullptr) {
      batch->outcome = std::move(outcome);
      batch->done = true;
      changed_.notify_all();
    }
    if (stopping_) return;
  }
}

Status PerAppRoutes::send(const Batch& batch) {
  if (batch.all || batch.hosts.size() > 1) return send_all();
  return send_one(*batch.hosts.begin());
}

Status PerAppRoutes::send_all() {
  std::unique_lock lock(mutex_);
  const auto wanted = wanted_;
  lock.unlock();
  json routes = json::array();
  for (const auto& [host, upstream] : wanted) {
    routes.push_back(app_route({host, upstream}, domain_, try_duration_));
  }
  auto sent = admin_.change("PATCH", kAppRoutesPath, routes);
  if (!sent) return sent;
  lock.lock();
  served_ = wanted;
  return success();
}

Status PerAppRoutes::send_one(const std::string& host) {
  std::unique_lock lock(mutex_);
  const auto at = wanted_.find(host);
  const bool present = at != wanted_.end();
  const std::string upstream = present ? at->second : "";
  lock.unlock();
  const std::string path = "/id/" + route_id(host, domain_);
  Status sent = success();
  if (present) {
    const json route = app_route({host, upstream}, domain_, try_duration_);
    sent = admin_.change("PATCH", path, route);
    if (!sent && sent.error().code == Errc::not_found) {
      sent = admin_.change("POST", kAppRoutesPath, route);
    }
  } else {
    sent = admin_.change("DELETE", path, nullptr);
    if (!sent && sent.error().code == Errc::not_found) sent = success();
  }
  if (!sent) return sent;
  lock.lock();
  if (present) {
    served_.insert_or_assign(host, upstream);
  } else {
    served_.erase(host);
  }
  return success();
}

}  // namespace vibed::route
