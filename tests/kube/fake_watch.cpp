// FakeApi: its watches, and what a test does to it.
#include "kube/fake_watch.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace vibed::testing {
namespace {

using Steady = std::chrono::steady_clock;

std::string line_of(const char* type, const Json& object) {
  return kube::to_text({{"type", type}, {"object", object}}) + "\n";
}

std::string type_of(const kube::Resource& resource) {
  return resource.group + "/" + resource.plural;
}

Json checked(const Written& written) {
  EXPECT_EQ(written.refusal.code, 200) << written.refusal.message;
  return written.object;
}

}  // namespace

FakeApi::Watch FakeApi::watch_of(const Route& route, const http::Request& request) {
  Watch watch;
  watch.type = route.type;
  watch.space = route.key.space;
  watch.labels = query_of(request, "labelSelector");
  watch.fields = query_of(request, "fieldSelector");
  watch.target = request.target;
  return watch;
}

http::Response FakeApi::watch(const Route& route, http::Request& request) {
  auto watch = std::make_shared<Watch>(watch_of(route, request));
  watch->epoch = epoch_;
  watch->bookmarks = bookmarks_;
  const std::string version = query_of(request, "resourceVersion");
  watch->version = version.empty() ? store_.version() : std::stoull(version);
  const std::string timeout = query_of(request, "timeoutSeconds");
  watch->end = Steady::now() + std::chrono::seconds(timeout.empty() ? 3600 : std::stoll(timeout));
  if (const std::string fault = query_of(request, "fault"); !fault.empty()) {
    watch->fault = static_cast<Fault::What>(std::stoi(fault));
  }
  if (watch->version < store_.forgotten()) {
    return http::json_response(
        410, kube::to_text(Refusal{410, "Expired", "too old resource version", {}}.body()));
  }
  watching_.push_back(watch->target);
  changed_.notify_all();
  http::Response response;
  response.headers.set("Content-Type", "application/json");
  response.stream = [this, watch](http::ResponseWriter& out) { stream(*watch, out); };
  // A stream of a known length that writes less ends as a connection that is cut.
  if (watch->fault == Fault::What::cut_event) response.stream_length = 1'000'000;
  return response;
}

// REQUIRES: mutex_ is held
std::vector<std::string> FakeApi::pending(Watch& watch) const {
  std::vector<std::string> lines;
  const auto& history = store_.history();
  auto at = std::upper_bound(history.begin(), history.end(), watch.version,
                             [](std::uint64_t v, const Change& c) { return v < c.version; });
  for (; at != history.end(); ++at) {
    watch.version = at->version;
    if (at->kind_of_object != watch.type) continue;
    const bool before = watch.selects(at->before);
    const bool after = watch.selects(at->after);
    if (!before && !after) continue;
    Json object = after ? at->after : at->before;
    object["metadata"]["resourceVersion"] = std::to_string(at->version);
    lines.push_back(line_of(!before ? "ADDED" : after ? "MODIFIED" : "DELETED", object));
  }
  if (watch.bookmarks != bookmarks_) {
    watch.bookmarks = bookmarks_;
    watch.version = store_.version();
    const Json version = {{"resourceVersion", std::to_string(watch.version)}};
    lines.push_back(line_of("BOOKMARK", {{"metadata", version}}));
  }
  return lines;
}

// What of `lines` goes out, and how, with the watch's fault.
std::string FakeApi::spoiled(Watch& watch, std::vector<std::string> lines) {
  if (watch.fault == Fault::What::expired_event) {
    return line_of("ERROR", Refusal{410, "Expired", "too old resource version", {}}.body());
  }
  if (watch.fault == Fault::What::swapped) {
    watch.held.insert(watch.held.end(), lines.begin(), lines.end());
    if (watch.held.size() < 2) return "";
    std::swap(watch.held[0], watch.held[1]);
    lines = std::exchange(watch.held, {});
    watch.fault = Fault::What::refuse;
  }
  std::string text;
  for (const std::string& line : lines) {
    text += line;
    if (watch.fault == Fault::What::twice) text += line;
  }
  if (watch.fault == Fault::What::cut_event) text.resize(text.size() / 2);
  return text;
}

void FakeApi::stream(Watch& watch, http::ResponseWriter& out) {
  std::unique_lock lock(mutex_);
  bool good = true;
  while (good && watch.epoch == epoch_ && Steady::now() < watch.end) {
    const bool has_bookmark = watch.bookmarks != bookmarks_;
    const std::string text = spoiled(watch, pending(watch));
    if (text.empty()) {
      changed_.wait_for(lock, std::chrono::milliseconds(20));
      good = !out.closed();
      continue;
    }
    lock.unlock();
    good = out.write(text);
    lock.lock();
    if (has_bookmark) ++bookmarked_;
    changed_.notify_all();
    if (watch.fault == Fault::What::cut_event || watch.fault == Fault::What::expired_event) break;
  }
  const auto at = std::find(watching_.begin(), watching_.end(), watch.target);
  if (at != watching_.end()) watching_.erase(at);
  changed_.notify_all();
}

void FakeApi::accept_tokens(std::vector<std::string> tokens) {
  const std::lock_guard lock(mutex_);
  tokens_ = std::move(tokens);
}

void FakeApi::inject(Fault fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(std::move(fault));
}

void FakeApi::before_each(std::function<void(const http::Request&)> hook) {
  const std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

Json FakeApi::create(const kube::Resource& resource, Json object) {
  const std::lock_guard lock(mutex_);
  object["apiVersion"] = resource.api_version();
  object["kind"] = resource.kind;
  changed_.notify_all();
  return checked(store_.create(type_of(resource), std::move(object)));
}

Json FakeApi::replace(const kube::Resource& resource, Json object) {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
  return checked(store_.replace(type_of(resource), std::move(object), ""));
}

void FakeApi::remove(const kube::Resource& resource, const ObjectKey& key) {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
  (void)checked(store_.remove(type_of(resource), key, {}));
}

Json FakeApi::get(const kube::Resource& resource, const ObjectKey& key) {
  const std::lock_guard lock(mutex_);
  const Json* object = store_.find(type_of(resource), key);
  return object == nullptr ? Json() : *object;
}

void FakeApi::expire() {
  const std::lock_guard lock(mutex_);
  store_.forget_history();
  ++epoch_;  // an open watch cannot go on without its history
  changed_.notify_all();
}

void FakeApi::end_watches() {
  const std::lock_guard lock(mutex_);
  ++epoch_;
  changed_.notify_all();
}

void FakeApi::send_bookmarks() {
  std::unique_lock lock(mutex_);
  ++bookmarks_;
  bookmarked_ = 0;
  changed_.notify_all();
  const std::size_t open = watching_.size();
  const bool good =
      changed_.wait_for(lock, std::chrono::seconds(30), [&] { return bookmarked_ >= open; });
  EXPECT_TRUE(good) << "not all watches took a bookmark";
}

void FakeApi::set_clock(std::chrono::seconds offset) {
  const std::lock_guard lock(mutex_);
  store_.set_clock(offset);
}

void FakeApi::set_log(std::string text) {
  const std::lock_guard lock(mutex_);
  log_ = std::move(text);
}

int FakeApi::requests(const std::string& part) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::count_if(seen_.begin(), seen_.end(), [&](const std::string& seen) {
    return seen.find(part) != std::string::npos;
  }));
}

void FakeApi::wait_for_requests(const std::string& part, int count) {
  std::unique_lock lock(mutex_);
  const bool good = changed_.wait_for(lock, std::chrono::seconds(30), [&] {
    return std::count_if(seen_.begin(), seen_.end(), [&](const std::string& seen) {
             return seen.find(part) != std::string::npos;
           }) >= count;
  });
  EXPECT_TRUE(good) << "never so many requests of " << part;
}

void FakeApi::wait_for_watch(const std::string& part) {
  std::unique_lock lock(mutex_);
  const bool good = changed_.wait_for(lock, std::chrono::seconds(30), [&] {
    return std::any_of(watching_.begin(), watching_.end(), [&](const std::string& target) {
      return target.find(part) != std::string::npos;
    });
  });
  EXPECT_TRUE(good) << "never a watch of " << part;
}

}  // namespace vibed::testing
