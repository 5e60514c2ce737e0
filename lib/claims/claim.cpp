#include "claims/claim.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <tuple>

#include "base/time.hpp"
#include "claims/names.hpp"

namespace vibed::claims {
namespace {

using kube::Json;

// agent-sandbox does not try again after these (agent-sandbox.md 1.5).
constexpr std::array<std::string_view, 3> kRefused = {"InvalidMetadata", "EnvVarsInjectionRejected",
                                                      "VolumeClaimTemplatesError"};
// And these say that there was a sandbox once.
constexpr std::array<std::string_view, 5> kOver = {"ClaimExpired", "SandboxExpired", "PodSucceeded",
                                                   "PodFailed", "SandboxSuspended"};

template <std::size_t N>
bool one_of(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string label_at(const Json& object, const char* name) {
  return kube::text_at(object, {"metadata", "labels", name});
}

std::int64_t number_in(const std::string& text) {
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

Time time_in(const std::string& text) {
  auto time = parse_rfc3339(text);
  return time ? *time : Time{};
}

const Json& ready_condition(const Json& object) {
  for (const Json& each : kube::find(object, {"status", "conditions"}))
    if (kube::text_at(each, {"type"}) == "Ready") return each;
  static const Json none;
  return none;
}

std::string first_address(const Json& object) {
  const Json& addresses = kube::find(object, {"status", "sandbox", "podIPs"});
  return addresses.is_array() && !addresses.empty() && addresses[0].is_string()
             ? addresses[0].get<std::string>()
             : std::string();
}

Stage stage_of(const Claim& claim, bool going, bool ready) {
  if (going || one_of(kOver, claim.reason)) return Stage::over;
  if (one_of(kRefused, claim.reason)) return Stage::refused;
  return ready && !claim.sandbox.empty() && !claim.address.empty() ? Stage::ready : Stage::pending;
}

bool older(const Claim& a, const Claim& b) {
  return std::tie(a.created, a.uid) < std::tie(b.created, b.uid);
}

}  // namespace

Claim read_claim(const Json& object) {
  Claim claim;
  claim.name = kube::text_at(object, {"metadata", "name"});
  claim.uid = kube::uid_of(object);
  claim.version = kube::version_of(object);
  claim.created = time_in(kube::text_at(object, {"metadata", "creationTimestamp"}));
  claim.template_name = label_at(object, kTemplateLabel);
  if (claim.template_name.empty())
    claim.template_name = kube::text_at(object, {"spec", "warmPoolRef", "name"});
  claim.spare = !label_at(object, kSpareLabel).empty();
  if (!claim.spare) {
    claim.app = label_at(object, kAppLabel);
    claim.app_uid = label_at(object, kAppUidLabel);
    claim.label = label_at(object, kUrlLabel);
    claim.generation = number_in(label_at(object, kGenerationLabel));
  }
  claim.sandbox = kube::text_at(object, {"status", "sandbox", "name"});
  claim.address = first_address(object);
  const Json& ready = ready_condition(object);
  claim.reason = kube::text_at(ready, {"reason"});
  claim.message = kube::text_at(ready, {"message"});
  claim.shutdown = time_in(kube::text_at(object, {"spec", "lifecycle", "shutdownTime"}));
  bool going = !kube::text_at(object, {"metadata", "deletionTimestamp"}).empty();
  claim.stage = stage_of(claim, going, kube::text_at(ready, {"status"}) == "True");
  return claim;
}

std::string pod_address(const Claim& claim, int port) {
  const bool six = claim.address.find(':') != std::string::npos;
  return (six ? "[" + claim.address + "]" : claim.address) + ":" + std::to_string(port);
}

std::string relay_address(const Claim& claim) {
  return claim.stage == Stage::ready ? pod_address(claim, kRelayPort) : "";
}

bool may_take(const Claim& claim, Time now, std::chrono::seconds margin) {
  const bool lasts = claim.shutdown == Time{} || claim.shutdown > now + margin;
  return claim.spare && claim.stage == Stage::ready && lasts;
}

Choice choose(const std::vector<Claim>& claims, const SandboxRequest& request, Time now,
              std::chrono::seconds margin) {
  std::vector<const Claim*> mine;
  std::vector<const Claim*> spares;
  for (const Claim& claim : claims) {
    if (claim.stage == Stage::over) continue;
    if (claim.app_uid == request.app_uid && claim.generation == request.generation)
      mine.push_back(&claim);
    if (may_take(claim, now, margin) && claim.template_name == request.template_name)
      spares.push_back(&claim);
  }
  auto by_age = [](const Claim* a, const Claim* b) { return older(*a, *b); };
  std::sort(mine.begin(), mine.end(), by_age);
  std::sort(spares.begin(), spares.end(), by_age);
  Choice choice;
  if (!mine.empty()) {
    choice.what = Choice::What::use;
    choice.claim = mine.front()->name;
    for (std::size_t i = 1; i < mine.size(); ++i) choice.superfluous.push_back(mine[i]->name);
    return choice;
  }
  if (spares.empty()) return choice;
  choice.what = Choice::What::take;
  choice.claim = spares.front()->name;
  for (std::size_t i = 1; i < spares.size(); ++i) choice.candidates.push_back(spares[i]->name);
  return choice;
}

}  // namespace vibed::claims
