// What an app's record is in Kubernetes, and what each write sends. Pure.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kube/object.hpp"
#include "kube/resource.hpp"
#include "vibed/app.hpp"

namespace vibed {

const kube::Resource& vibed_apps();  // vibedapps.vibed.dev/v1alpha1

// Holds a record that is marked as removed until the lifecycle has released everything.
inline constexpr std::string_view kReleaseFinalizer = "vibed.dev/release";

struct KubernetesRecord {
  App app;
  std::vector<std::string> finalizers;  // ours, and those of others

  bool is_held() const;  // by our finalizer
};

// Never changed: a newer state is another one.
using RecordPointer = std::shared_ptr<const KubernetesRecord>;

// `invalid_argument` if vibed cannot read it.
Result<RecordPointer> read_record(const kube::Json& object);

// `app` with what Kubernetes would refuse put right, in the parts that are written with the spec
// (labels) and with the status (reasons, lengths of messages).
App fit_for_kubernetes(App app);

// The whole object, to be created in `space` and held.
kube::Json created_object(const App& app, const std::string& space);

// A merge patch that gives `record` spec, labels and versions of `next` and our finalizer.
// Conflicts unless the object is still exactly `record`. Fields that vibed does not know stay.
kube::Json spec_patch(const KubernetesRecord& record, const App& next);

// A merge patch that adds our finalizer to what is still exactly `record`.
kube::Json hold_patch(const KubernetesRecord& record);

// JSON patches, which fail as invalid for an object of another uid, whatever was written meanwhile.
kube::Json status_patch(const std::string& uid, const AppStatus& status);
kube::Json release_patch(const KubernetesRecord& record);  // REQUIRES: record.is_held()

}  // namespace vibed
