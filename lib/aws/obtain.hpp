// Credentials as a plan says: from files, STS, a container's service or the instance's. Blocking.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "aws/answers.hpp"
#include "aws/plan.hpp"
#include "fetch/fetch.hpp"

namespace vibed::aws {

using Now = std::function<Time()>;

struct ObtainTools {
  fetch::Client* http = nullptr;               // outlives them
  std::shared_ptr<const fetch::Tls> tls = {};  // of STS and a container's https
  std::string region = "us-east-1";            // of STS
  std::string sts = {};                        // its URL; empty: AWS's in that region
  Now now = std::chrono::system_clock::now;
};

// `storage_credentials` with what was asked and what it said. What may pass is tried three times.
Result<Credentials> obtain(const Plan& plan, const ObtainTools& tools);

}  // namespace vibed::aws
