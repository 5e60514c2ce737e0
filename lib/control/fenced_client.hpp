// What only the leader may do: an API client whose writes end with the lease.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>

#include "kube/client.hpp"

namespace vibed::control {

struct Fence {
  std::function<bool()> leads;  // by the clock: Election::leads()
  std::stop_token lost;         // what Election gives to `lead`
};

// `client`, with two differences. Every call and watch ends with `cancelled` when `lost` is
// requested. A write, and each further attempt of one, is not sent unless `leads()` right before:
// also not by a process that slept through the end of its lease. What is in the network at that
// moment has as long to arrive as others wait longer for the lease than its holder uses it.
//
// `client` outlives it.
std::unique_ptr<kube::Client> make_fenced_client(kube::Client& client, Fence fence);

}  // namespace vibed::control
