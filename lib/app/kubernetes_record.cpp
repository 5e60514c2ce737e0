#include "app/kubernetes_record.hpp"

#include <algorithm>

#include "app/app_json.hpp"
#include "app/label_value.hpp"
#include "base/text.hpp"

namespace vibed {
namespace {

using kube::Json;

// As the schema of the custom resource has them, and metav1.Condition.
constexpr std::size_t kMaxMessage = 32'768;
constexpr const char* kNoReason = "Unknown";

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// A CamelCase word and little else.
bool is_reason(const std::string& text) {
  if (text.empty() || text.size() > 1024 || (text[0] >= '0' && text[0] <= '9')) return false;
  return std::all_of(text.begin(), text.end(), is_alphanumeric);
}

// Absent fields of a record are null in a merge patch: else the old value would stay.
void say_absent(Json& object, std::initializer_list<const char*> fields) {
  for (const char* field : fields) {
    if (!object.contains(field)) object[field] = nullptr;
  }
}

Json exactly(const KubernetesRecord& record) {
  return {{"uid", record.app.uid},
          {"resourceVersion", std::to_string(record.app.resource_version)}};
}

Json held(const KubernetesRecord& record) {
  Json finalizers = record.finalizers;
  finalizers.push_back(kReleaseFinalizer);
  return finalizers;
}

Json test(const std::string& path, const Json& value) {
  return {{"op", "test"}, {"path", path}, {"value", value}};
}

}  // namespace

const kube::Resource& vibed_apps() {
  static const kube::Resource resource{"vibed.dev", "v1alpha1", "vibedapps", "VibedApp"};
  return resource;
}

bool KubernetesRecord::is_held() const {
  return std::find(finalizers.begin(), finalizers.end(), kReleaseFinalizer) != finalizers.end();
}

Result<RecordPointer> read_record(const Json& object) {
  auto app = app_of(object);
  if (!app) return std::move(app).error();
  auto record = std::make_shared<KubernetesRecord>();
  record->app = *std::move(app);
  const Json& finalizers = kube::find(object, {"metadata", "finalizers"});
  if (finalizers.is_array()) {
    for (const Json& name : finalizers) {
      if (name.is_string()) record->finalizers.push_back(name.get<std::string>());
    }
  }
  return RecordPointer(std::move(record));
}

App fit_for_kubernetes(App app) {
  for (auto& [name, value] : app.labels) value = label_value(value);
  for (Condition& condition : app.status.conditions) {
    if (!is_reason(condition.reason)) condition.reason = kNoReason;
    condition.message.resize(cut(condition.message, kMaxMessage).size());
  }
  return app;
}

Json created_object(const App& app, const std::string& space) {
  Json metadata = {{"name", app.name},
                   {"namespace", space},
                   {"finalizers", {kReleaseFinalizer}},
                   {"annotations", {{kVersionsAnnotation, versions_text(app.versions)}}}};
  if (!app.labels.empty()) metadata["labels"] = app.labels;
  return {{"apiVersion", vibed_apps().api_version()},
          {"kind", vibed_apps().kind},
          {"metadata", std::move(metadata)},
          {"spec", spec_json(app.spec)}};
}

Json spec_patch(const KubernetesRecord& record, const App& next) {
  Json metadata = exactly(record);
  if (next.labels != record.app.labels) {
    Json labels = next.labels;
    for (const auto& [name, value] : record.app.labels) {
      if (!next.labels.contains(name)) labels[name] = nullptr;
    }
    metadata["labels"] = std::move(labels);
  }
  if (next.versions != record.app.versions) {
    metadata["annotations"] = {{kVersionsAnnotation, versions_text(next.versions)}};
  }
  if (!record.is_held() && !record.app.removed_at) metadata["finalizers"] = held(record);
  Json patch = {{"metadata", std::move(metadata)}};
  // Else the defaults of an object that somebody else has made would count as a new generation.
  if (next.spec == record.app.spec) return patch;
  Json spec = spec_json(next.spec);
  say_absent(spec, {"egress", "suspended"});
  say_absent(spec["source"], {"tarballRef", "gitRef"});
  say_absent(spec["runtime"], {"template", "entrypoint", "env"});
  patch["spec"] = std::move(spec);
  return patch;
}

Json hold_patch(const KubernetesRecord& record) {
  Json metadata = exactly(record);
  metadata["finalizers"] = held(record);
  return {{"metadata", std::move(metadata)}};
}

Json status_patch(const std::string& uid, const AppStatus& status) {
  return {test("/metadata/uid", uid),
          {{"op", "add"}, {"path", "/status"}, {"value", status_json(status)}}};
}

Json release_patch(const KubernetesRecord& record) {
  const auto& all = record.finalizers;
  const auto at = std::find(all.begin(), all.end(), kReleaseFinalizer) - all.begin();
  const std::string path = "/metadata/finalizers/" + std::to_string(at);
  return {test("/metadata/uid", record.app.uid),
          test(path, kReleaseFinalizer),
          {{"op", "remove"}, {"path", path}}};
}

}  // namespace vibed
