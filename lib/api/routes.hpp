// The groups of routes the API is made of, one file each.
#pragma once

#include <memory>

#include "api/api.hpp"
#include "api/guard.hpp"

namespace vibed::api {

// What handlers share. The references outlive the router.
struct Context {
  Service& service;
  observe::Metrics& metrics;
  ApiOptions options;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
};
using SharedContext = std::shared_ptr<const Context>;

// Who sent a request that the guard let through; without the guard: nobody, who owns nothing.
inline Caller caller_of(const Context& context, const http::Request& request) {
  auto caller = caller_of(context.options.authenticator, request);
  return caller ? *std::move(caller) : Caller{"", false};
}

void add_deploy_routes(http::Router& router, const SharedContext& context);
void add_app_routes(http::Router& router, const SharedContext& context);
void add_log_routes(http::Router& router, const SharedContext& context);
void add_source_routes(http::Router& router, const SharedContext& context);
void add_health_routes(http::Router& router, const SharedContext& context);

}  // namespace vibed::api
