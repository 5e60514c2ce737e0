// Claim: what vibed reads of a SandboxClaim, and which one an app gets. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kube/object.hpp"
#include "vibed/app.hpp"
#include "vibed/sandbox_pool.hpp"

namespace vibed::claims {

// How far agent-sandbox is with a claim.
enum class Stage {
  pending,  // not bound, or not ready yet; `reason` and `message` may say why
  ready,    // a sandbox with an address
  refused,  // it never will be: retrying changes nothing
  over      // it had a sandbox, which has ended, or the claim is being deleted
};

struct Claim {
  std::string name;
  std::string uid;
  std::string version;
  Time created = {};
  std::string template_name;
  bool spare = false;  // bound ahead of any app
  // Of an assigned one; empty and 0 otherwise.
  std::string app;
  std::string app_uid;
  std::string label;
  std::int64_t generation = 0;

  Stage stage = Stage::pending;
  std::string sandbox;  // its name, which is the pod's too
  std::string address;  // of the pod
  std::string reason;
  std::string message;
  Time shutdown = {};  // when agent-sandbox deletes it; the epoch: never

  bool assigned() const { return !app_uid.empty(); }
};

// Labels that are none, or conditions that are missing, leave their fields empty.
Claim read_claim(const kube::Json& object);

// Where its pod is dialled: "10.0.0.1:9080", "[fd00::1]:9080".
std::string pod_address(const Claim& claim, int port);

// Where visitors are taken to in it; empty until it is ready.
std::string relay_address(const Claim& claim);

// Whether an app may have it: a spare that is ready and will not end within `margin` of `now`.
bool may_take(const Claim& claim, Time now, std::chrono::seconds margin);

// Which claim a generation of an app gets.
struct Choice {
  enum class What { use, take, create };
  What what = What::create;
  std::string claim;                     // to use, or the spare to take
  std::vector<std::string> candidates;   // further spares, should that one be taken by another
  std::vector<std::string> superfluous;  // second claims of the same generation: to be deleted
};

// Of two claims of one generation the older wins, everywhere alike. Of the spares of a template the
// oldest that it may take.
Choice choose(const std::vector<Claim>& claims, const SandboxRequest& request, Time now,
              std::chrono::seconds margin);

}  // namespace vibed::claims
