// CaddyAdmin: the calls vibed makes to Caddy's admin API, over its unix socket.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <string>

#include "fetch/fetch.hpp"
#include "vibed/result.hpp"

namespace vibed::route {

// All methods may be called from any thread at once.
class CaddyAdmin {
 public:
  // `socket`: the path Caddy's admin listens on.
  explicit CaddyAdmin(std::string socket);

  // The running configuration; null when there is none. Answers only when no load is in progress.
  Result<nlohmann::json> config(std::chrono::milliseconds timeout, std::stop_token stop = {}) const;

  // Whether the running configuration has a part with that @id. Cheap, whatever its size.
  Result<bool> has(const std::string& id, std::chrono::milliseconds timeout) const;

  // Replaces the whole configuration; on failure the old one keeps serving.
  Status load(const nlohmann::json& document) const;

  // One change. `not_found` when the path or id is unknown.
  Status change(const std::string& method, const std::string& path,
                const nlohmann::json& value) const;

 private:
  Result<fetch::Response> call(fetch::Request request) const;

  std::string socket_;
  std::shared_ptr<fetch::Client> client_;
};

}  // namespace vibed::route
