#include "fetch/fetch.hpp"

#include <curl/curl.h>

#include <mutex>

#include "fetch/exchange.hpp"

namespace vibed::fetch {
namespace {

constexpr std::size_t kIdleSlots = 16;

// Each call takes a slot of its own, so that a long one holds up nobody; the slot used last is
// taken first, because its connections are the freshest.
class CurlClient final : public Client {
 public:
  Result<Response> send(const Request& request) override {
    if (request.stop.stop_requested()) return Error{Errc::cancelled, "stopped"};
    Slot slot = take();
    if (slot.multi == nullptr || slot.easy == nullptr) {
      return Error{Errc::resource_exhausted, "no memory for a connection"};
    }
    auto response = Exchange(slot, request).run();
    give_back(std::move(slot));
    return response;
  }

 private:
  Slot take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        Slot slot = std::move(idle_.back());
        idle_.pop_back();
        return slot;
      }
    }
    Slot slot;
    slot.multi.reset(curl_multi_init());
    slot.easy.reset(curl_easy_init());
    return slot;
  }

  void give_back(Slot slot) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kIdleSlots) idle_.push_back(std::move(slot));
  }

  std::mutex mutex_;
  std::vector<Slot> idle_;  // guarded by mutex_
};

}  // namespace

std::string_view Response::header(std::string_view name) const {
  const std::string wanted(name);
  for (const auto& [key, value] : headers) {
    if (curl_strequal(key.c_str(), wanted.c_str()) != 0) return value;
  }
  return {};
}

std::unique_ptr<Client> make_client() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  return std::make_unique<CurlClient>();
}

}  // namespace vibed::fetch
