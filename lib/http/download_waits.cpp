#include "http/download_waits.hpp"

#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

namespace vibed::http {
namespace {

using std::chrono::milliseconds;

struct LookUp {
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;  // guarded by mutex, as all below
  int failed = 0;
  DownloadWaits::Endpoints found = {};
};

int resolve(const SourceUrl& url, int flags, DownloadWaits::Endpoints& found) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  int failed = ::getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &list);
  if (failed != 0) return failed;
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, ::freeaddrinfo);
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    boost::asio::ip::tcp::endpoint endpoint;
    if (one->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), one->ai_addr, one->ai_addrlen);
    endpoint.resize(one->ai_addrlen);
    found.push_back(endpoint);
  }
  return 0;
}

Error not_found(const SourceUrl& url, int failed) {
  return {failed == EAI_AGAIN ? Errc::unavailable : Errc::invalid_argument,
          fmt::format("fetch source: look up {}: {}", url.host, ::gai_strerror(failed))};
}

}  // namespace

Status DownloadWaits::may_go_on(Clock::time_point until, const char* doing) const {
  auto now = Clock::now();
  if (options_.stop && options_.stop()) return Error{Errc::cancelled, "the client hung up"};
  if (now >= deadline_)
    return Error{Errc::deadline_exceeded, fmt::format("fetch source: not done after {} ms: {}",
                                                      options_.timeout.count(), doing)};
  if (now >= until)
    return Error{Errc::unavailable, fmt::format("fetch source: took too long: {}", doing)};
  return success();
}

Status DownloadWaits::until(const bool& done, milliseconds limit, const char* doing,
                            const std::function<void()>& give_up) {
  auto until = Clock::now() + limit;
  while (!done) {
    io.restart();
    io.run_one_until(std::min({until, deadline_, Clock::now() + kLook}));
    if (done) break;
    Status good = may_go_on(until, doing);
    if (good) continue;
    give_up();
    while (!done) {
      io.restart();
      io.run_one();
    }
    return good;
  }
  return success();
}

// getaddrinfo cannot be told to stop, so it gets a thread that nobody has to wait for.
Result<DownloadWaits::Endpoints> DownloadWaits::look_up(const SourceUrl& url) {
  Endpoints found;
  if (resolve(url, AI_NUMERICHOST, found) == 0) return found;
  auto shared = std::make_shared<LookUp>();
  try {
    std::thread([shared, url] {
      Endpoints endpoints;
      int failed = resolve(url, 0, endpoints);
      std::lock_guard lock(shared->mutex);
      shared->found = std::move(endpoints);
      shared->failed = failed;
      shared->done = true;
      shared->ended.notify_all();
    }).detach();
  } catch (const std::system_error& e) {
    return Error{Errc::unavailable, std::string("fetch source: look up the host: ") + e.what()};
  }
  auto until = Clock::now() + options_.connect_timeout;
  std::unique_lock lock(shared->mutex);
  while (!shared->ended.wait_for(lock, kLook, [&] { return shared->done; })) {
    Status good = may_go_on(until, "looking the host up");
    if (!good) return std::move(good).error();
  }
  if (shared->failed != 0) return not_found(url, shared->failed);
  return shared->found;
}

}  // namespace vibed::http
