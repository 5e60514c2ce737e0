#include "claims/warm_pool.hpp"

#include "claims/names.hpp"

namespace vibed::claims {

TemplateStatus read_warm_pool(const kube::Json& pool) {
  TemplateStatus status;
  status.name = kube::text_at(pool, {"metadata", "labels", kTemplateLabel});
  if (status.name.empty()) status.name = kube::key_of(pool).name;
  status.lane = kube::text_at(pool, {"metadata", "labels", kLaneLabel});
  const kube::Json& spec = kube::find(pool, {"spec"});
  status.size = spec.is_object() ? spec.value("replicas", 1) : 1;
  const kube::Json& state = kube::find(pool, {"status"});
  status.ready = state.is_object() ? state.value("readyReplicas", 0) : 0;
  status.message = kube::text_at(pool, {"metadata", "annotations", kUnavailable});
  status.available = status.message.empty();
  return status;
}

}  // namespace vibed::claims
