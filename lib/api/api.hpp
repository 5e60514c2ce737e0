// The /v1 API: HTTP over the service.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "auth/authenticator.hpp"
#include "http/router.hpp"
#include "http/server.hpp"
#include "observe/metrics.hpp"
#include "service/service.hpp"
#include "vibed/source_store.hpp"

namespace vibed::api {

// One part of vibed, for /readyz.
struct Component {
  std::string name;
  bool ready = false;
  std::string message = {};  // why not
};

// What /readyz answers: 200 if all are ready, else 503.
http::Response readiness_response(const std::vector<Component>& components);

struct ApiOptions {
  // What is looked at for each /readyz; must be quick. Empty: always ready.
  std::function<std::vector<Component>()> components = {};
  SourceStore* sources = nullptr;          // served at /internal/sources/; null: not served
  auth::Authenticator authenticator = {};  // everybody is admin unless it says otherwise
  // "host" or "host:port" by which this API may be called besides its own loopback addresses.
  std::vector<std::string> hosts = {};
  bool any_host = false;  // by whatever name: callers show who they are, or all are meant
  std::string spool_directory = "/tmp";             // where uploads go while they arrive
  std::chrono::milliseconds log_heartbeat{15'000};  // a comment in a silent log stream
  std::uint64_t max_source_bytes = 50ULL * 1024 * 1024;
};

// The routes of docs/api.md. What is given by reference outlives the router.
http::Router make_api_router(Service& service, observe::Metrics& metrics,
                             const ApiOptions& options);

// How the server of that router is to be started: guard, metrics, security headers, limits.
http::ServerOptions make_api_server_options(observe::Metrics& metrics, const ApiOptions& options);

}  // namespace vibed::api
