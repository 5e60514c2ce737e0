// The words that vibed writes on objects of the cluster, and those of agent-sandbox that it reads.
#pragma once

#include <string>
#include <string_view>

#include "kube/resource.hpp"
#include "vibed/result.hpp"

namespace vibed::claims {

// Labels of claims, Services, pools and templates. The first three are the Go system's.
inline constexpr char kAppLabel[] = "vibed.dev/app";
inline constexpr char kTemplateLabel[] = "vibed.dev/template";
inline constexpr char kLaneLabel[] = "vibed.dev/lane";
inline constexpr char kAppUidLabel[] = "vibed.dev/app-uid";
inline constexpr char kGenerationLabel[] = "vibed.dev/generation";
inline constexpr char kUrlLabel[] = "vibed.dev/label";  // the app's, in its URL
inline constexpr char kSpareLabel[] = "vibed.dev/spare";

// Annotation of a pool that is not to be used, and why: an operator's word.
inline constexpr char kUnavailable[] = "vibed.dev/unavailable";

// On pods: the claim's uid (agent-sandbox 1.0), and a 32 bit hash of the sandbox's name (0.5.2).
inline constexpr char kClaimUidLabel[] = "agents.x-k8s.io/claim-uid";
inline constexpr char kNameHashLabel[] = "agents.x-k8s.io/sandbox-name-hash";

inline constexpr int kAgentPort = 9000;
inline constexpr int kRelayPort = 9080;
inline constexpr int kServicePort = 80;

// extensions.agents.x-k8s.io/v1beta1
const kube::Resource& sandbox_claims();
const kube::Resource& sandbox_templates();
const kube::Resource& sandbox_warm_pools();

// "vibed-app-<label>": the name of the Service of an app.
std::string service_name(std::string_view label);

// FNV-1a, 32 bits, as 8 hex digits: what agent-sandbox labels pods with.
std::string name_hash(std::string_view sandbox_name);

// What opens the agent of a claim's sandbox: an HMAC-SHA256 of the claim's uid, so that nothing
// needs to be stored and any process with the secret of the installation knows it.
std::string agent_token(std::string_view install_secret, std::string_view claim_uid);

// A secret shorter than the hash's 32 bytes would be easier to guess than the hash (RFC 2104, 3).
Status check_install_secret(std::string_view install_secret);

}  // namespace vibed::claims
