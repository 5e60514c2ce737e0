#include "claims/names.hpp"

#include <fmt/format.h>

#include <cstdint>

#include "base/error_codes.hpp"
#include "base/hmac.hpp"

namespace vibed::claims {
namespace {

constexpr char kGroup[] = "extensions.agents.x-k8s.io";
constexpr char kVersion[] = "v1beta1";

}  // namespace

const kube::Resource& sandbox_claims() {
  static const kube::Resource resource{kGroup, kVersion, "sandboxclaims", "SandboxClaim"};
  return resource;
}

const kube::Resource& sandbox_templates() {
  static const kube::Resource resource{kGroup, kVersion, "sandboxtemplates", "SandboxTemplate"};
  return resource;
}

const kube::Resource& sandbox_warm_pools() {
  static const kube::Resource resource{kGroup, kVersion, "sandboxwarmpools", "SandboxWarmPool"};
  return resource;
}

std::string service_name(std::string_view label) { return fmt::format("vibed-app-{}", label); }

std::string name_hash(std::string_view sandbox_name) {
  std::uint32_t hash = 2166136261U;
  for (char c : sandbox_name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return fmt::format("{:08x}", hash);
}

std::string agent_token(std::string_view install_secret, std::string_view claim_uid) {
  return to_hex(hmac_sha256(install_secret, claim_uid));
}

Status check_install_secret(std::string_view install_secret) {
  if (install_secret.size() >= 32) return success();
  return make_error("bad_config", "the install secret must have at least 32 bytes");
}

}  // namespace vibed::claims
