// Transport: one request to the API server, let in, repeated where that helps.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "fetch/fetch.hpp"
#include "kube/client.hpp"
#include "kube/credentials.hpp"
#include "kube/retry.hpp"
#include "kube/status.hpp"

namespace vibed::kube {

struct ApiRequest {
  const char* verb = "get";  // for metrics
  Resource resource = {};
  std::string method = "GET";
  std::string path = {};  // with the query
  std::string content_type = {};
  std::string body = {};
  Twice twice = Twice::same;
  std::size_t max_body_bytes = 0;
  std::function<void(int)> on_head = {};
  std::function<bool(std::string_view)> on_data = {};  // of a 2xx answer
};

// Any thread.
class Transport {
 public:
  Transport(Access access, ClientOptions options, Observe observe);

  // The answer of a 2xx; other answers are errors. Repeats within `call`.
  Result<fetch::Response> send(const ApiRequest& request, const Call& call);

  // One attempt (two if the credentials were stale). An answer of any status is a success.
  Result<fetch::Response> send_once(const ApiRequest& request, const Call& call);

  // What must be readable for any request.
  Status check();

  std::chrono::seconds clock_offset() const { return std::chrono::seconds(clock_offset_); }

  const Access& access() const { return access_; }
  const ClientOptions& options() const { return options_; }

 private:
  Result<fetch::Response> attempt(const ApiRequest& request, const Pass& pass, const Call& call);
  void note_clock(std::int64_t offset);

  const Access access_;
  const ClientOptions options_;
  const Observe observe_;
  Credentials credentials_;
  std::unique_ptr<fetch::Client> http_;
  std::atomic<std::int64_t> clock_offset_ = 0;  // seconds
};

}  // namespace vibed::kube
