// Where credentials come from, decided from the environment and the shared files. Pure.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "aws/ini.hpp"
#include "fetch/sigv4.hpp"
#include "vibed/result.hpp"

namespace vibed::aws {

using Environment = std::map<std::string, std::string>;  // as main found it

// What the two shared files hold; empty texts where there are none.
struct SharedFiles {
  std::string config = {};
  std::string credentials = {};
};

// The paths of the shared files; empty without HOME.
struct SharedPaths {
  std::string config;
  std::string credentials;
};
SharedPaths shared_paths(const Environment& environment);

struct Role {
  std::string arn = {};
  std::string session = {};
  std::string external_id = {};
  std::chrono::seconds duration{3600};
  friend bool operator==(const Role&, const Role&) = default;
};

struct Plan {
  enum class Kind {
    keys,          // they are `keys`
    web_identity,  // `role` for the token in `token_file` (IRSA)
    assume_role,   // `role` with what `base` gives
    container,     // from `url`, with `token` or the one in `token_file` (EKS Pod Identity, ECS)
    instance       // from the metadata service at `url` (IMDSv2)
  };
  Kind kind = Kind::instance;
  std::string origin = {};  // "the environment", "the profile dev": for messages
  fetch::AwsKeys keys = {};
  Role role = {};
  std::string url = {};
  std::string token = {};
  std::string token_file = {};
  std::shared_ptr<const Plan> base = {};
};

// In AWS's own order: keys in the environment, web identity in the environment, the profile
// (AWS_PROFILE, else "default"), a container's service, the instance's. `storage_credentials` when
// there is nothing, or a profile that cannot be used: the message says which and why.
Result<Plan> plan_credentials(const Environment& environment, const SharedFiles& files);

// AWS_REGION, AWS_DEFAULT_REGION, the profile's; "" if none says.
std::string find_region(const Environment& environment, const SharedFiles& files);

// Where `service` ("s3", "sts") is, if it was said to be elsewhere than AWS has it: its own
// AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the profile's endpoint_url; "" else.
std::string find_endpoint(const Environment& environment, const SharedFiles& files,
                          std::string_view service);

// The variable, or "".
std::string variable(const Environment& environment, const std::string& name);

}  // namespace vibed::aws
