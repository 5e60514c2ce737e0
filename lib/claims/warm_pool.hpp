// What vibed reads of a SandboxWarmPool. Pure.
#pragma once

#include "kube/object.hpp"
#include "vibed/sandbox_pool.hpp"

namespace vibed::claims {

// The template behind a pool, as far as the pool itself tells: without claims and versions.
TemplateStatus read_warm_pool(const kube::Json& pool);

}  // namespace vibed::claims
