// What vibed writes to the cluster for an app: claims and a Service. Pure.
#pragma once

#include <string>
#include <string_view>

#include "claims/claim.hpp"
#include "kube/object.hpp"
#include "vibed/sandbox_pool.hpp"

namespace vibed::claims {

using kube::Json;

// A claim for a generation of an app, in the warm pool `pool`. It belongs to the app, which takes
// it along when it goes, and ends with nothing else: a control plane that is gone must not take
// running apps with it.
Json app_claim(const std::string& space, const std::string& name, const std::string& pool,
               const SandboxRequest& request);

// A claim for nobody yet, which ends at `shutdown` unless that is pushed forward.
Json spare_claim(const std::string& space, const std::string& name, const std::string& pool,
                 const std::string& template_name, Time shutdown);

// The merge patch that makes the spare of that version the app's; a `conflict` if it was taken.
Json take_patch(const Claim& spare, const SandboxRequest& request);

// The merge patch that pushes the end of a spare of that version forward.
Json renew_patch(const Claim& spare, Time shutdown);

// The Service of an app: the agent's relay behind port 80. It selects nothing until expose.
Json app_service(const std::string& space, const SandboxRequest& request);

// The JSON patch by which a Service selects the pods with `key`=`value`, or nothing at all.
Json select_patch(const std::string& key, const std::string& value);
Json select_nothing_patch();

// Whether `service` selects that claim's pod.
bool selects(const Json& service, const Claim& claim);

// Whom visitors reach by an EndpointSlice: the pod of that name, others, both or nobody.
struct Reach {
  bool pod = false;
  bool others = false;
};
Reach reach_of(const Json& slice, std::string_view pod);

// Whether `slice` (an EndpointSlice) has exactly the pod of that uid, and it is ready.
bool holds_only(const Json& slice, std::string_view pod_uid);

}  // namespace vibed::claims
