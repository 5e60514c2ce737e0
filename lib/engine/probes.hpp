// What Kubernetes asks of every part of vibed: metrics and probes, each on an address of its own.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/api.hpp"
#include "http/server.hpp"

namespace vibed {

using Components = std::function<std::vector<api::Component>()>;

// Not where the address is "" or "0".
bool is_served(const std::string& address);

// Of `then`, where it is known.
std::optional<std::chrono::seconds> seconds_since(
    const std::optional<std::chrono::steady_clock::time_point>& then);

// One kind of object that is watched, and was not heard of for `deaf`; ready for `deaf_after`.
api::Component watched(const std::string& name, const std::optional<std::chrono::seconds>& deaf,
                       std::chrono::seconds deaf_after);

// /healthz and /readyz.
http::Router make_probe_router(Components components);

// Null where nothing is to be served. Both functions are called on threads of the server.
Result<std::unique_ptr<http::Server>> serve_metrics(const std::string& address,
                                                    std::function<std::string()> text);
Result<std::unique_ptr<http::Server>> serve_probes(const std::string& address,
                                                   Components components);

}  // namespace vibed
