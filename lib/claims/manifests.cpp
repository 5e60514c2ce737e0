#include "claims/manifests.hpp"

#include "base/time.hpp"
#include "claims/names.hpp"

namespace vibed::claims {
namespace {

// Nothing in the cluster carries this label.
constexpr char kNobody[] = "vibed.dev/nobody";

Json owner_of(const SandboxRequest& request) {
  return Json::array({{{"apiVersion", "vibed.dev/v1alpha1"},
                       {"kind", "VibedApp"},
                       {"name", request.app},
                       {"uid", request.app_uid},
                       {"controller", true},
                       {"blockOwnerDeletion", true}}});
}

Json labels_of(const SandboxRequest& request) {
  return {{kAppLabel, request.app},
          {kAppUidLabel, request.app_uid},
          {kUrlLabel, request.label},
          {kGenerationLabel, std::to_string(request.generation)},
          {kTemplateLabel, request.template_name}};
}

Json claim_object(const std::string& space, const std::string& name, const std::string& pool) {
  const kube::Resource& resource = sandbox_claims();
  return {{"apiVersion", resource.api_version()},
          {"kind", resource.kind},
          {"metadata", {{"name", name}, {"namespace", space}}},
          {"spec", {{"warmPoolRef", {{"name", pool}}}}}};
}

Json lifecycle_until(Time shutdown) {
  return {{"shutdownTime", to_rfc3339(shutdown)}, {"shutdownPolicy", "Delete"}};
}

}  // namespace

Json app_claim(const std::string& space, const std::string& name, const std::string& pool,
               const SandboxRequest& request) {
  Json claim = claim_object(space, name, pool);
  claim["metadata"]["labels"] = labels_of(request);
  claim["metadata"]["ownerReferences"] = owner_of(request);
  return claim;
}

Json spare_claim(const std::string& space, const std::string& name, const std::string& pool,
                 const std::string& template_name, Time shutdown) {
  Json claim = claim_object(space, name, pool);
  claim["metadata"]["labels"] = {{kSpareLabel, "true"}, {kTemplateLabel, template_name}};
  claim["spec"]["lifecycle"] = lifecycle_until(shutdown);
  return claim;
}

Json take_patch(const Claim& spare, const SandboxRequest& request) {
  Json labels = labels_of(request);
  labels[kSpareLabel] = nullptr;
  return {{"metadata",
           {{"resourceVersion", spare.version},
            {"labels", std::move(labels)},
            {"ownerReferences", owner_of(request)}}},
          {"spec", {{"lifecycle", nullptr}}}};
}

Json renew_patch(const Claim& spare, Time shutdown) {
  return {{"metadata", {{"resourceVersion", spare.version}}},
          {"spec", {{"lifecycle", lifecycle_until(shutdown)}}}};
}

Json app_service(const std::string& space, const SandboxRequest& request) {
  Json labels = {{kAppLabel, request.app}, {kUrlLabel, request.label}};
  Json port = {{"name", "http"}, {"port", kServicePort}, {"targetPort", kRelayPort}};
  return {{"apiVersion", "v1"},
          {"kind", "Service"},
          {"metadata",
           {{"name", service_name(request.label)},
            {"namespace", space},
            {"labels", std::move(labels)},
            {"ownerReferences", owner_of(request)}}},
          {"spec",
           {{"type", "ClusterIP"},
            {"selector", {{kNobody, "true"}}},
            {"ports", Json::array({std::move(port)})}}}};
}

Json select_patch(const std::string& key, const std::string& value) {
  return Json::array({{{"op", "replace"}, {"path", "/spec/selector"}, {"value", {{key, value}}}}});
}

Json select_nothing_patch() { return select_patch(kNobody, "true"); }

bool selects(const Json& service, const Claim& claim) {
  const Json& selector = kube::find(service, {"spec", "selector"});
  if (!selector.is_object()) return false;
  if (!claim.uid.empty() && kube::text_at(selector, {kClaimUidLabel}) == claim.uid) return true;
  return !claim.sandbox.empty() &&
         kube::text_at(selector, {kNameHashLabel}) == name_hash(claim.sandbox);
}

Reach reach_of(const Json& slice, std::string_view pod) {
  Reach reach;
  const Json& endpoints = kube::find(slice, {"endpoints"});
  if (!endpoints.is_array()) return reach;
  for (const Json& each : endpoints) {
    const bool ours = kube::text_at(each, {"targetRef", "name"}) == pod;
    (ours ? reach.pod : reach.others) = true;
  }
  return reach;
}

bool holds_only(const Json& slice, std::string_view pod_uid) {
  const Json& endpoints = kube::find(slice, {"endpoints"});
  if (!endpoints.is_array() || endpoints.size() != 1) return false;
  const Json& ready = kube::find(endpoints[0], {"conditions", "ready"});
  return kube::text_at(endpoints[0], {"targetRef", "uid"}) == pod_uid && ready.is_boolean() &&
         ready.get<bool>();
}

}  // namespace vibed::claims
