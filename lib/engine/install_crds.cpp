// Definitions of custom resources, brought into a cluster before anything uses them.
#include <algorithm>
#include <filesystem>

#include "base/error_codes.hpp"
#include "base/files.hpp"
#include "config/yaml.hpp"
#include "engine/open_cluster.hpp"
#include "kube/pause.hpp"
#include "vibed/controller.hpp"

namespace vibed {
namespace {

namespace fs = std::filesystem;
using kube::Json;
using Steady = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLook{100};
constexpr const char* kKind = "CustomResourceDefinition";

const kube::Resource& definitions() {
  static const kube::Resource resource{"apiextensions.k8s.io", "v1", "customresourcedefinitions",
                                       kKind, false};
  return resource;
}

Result<std::vector<std::string>> yaml_files(const std::string& folder) {
  std::error_code failed;
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, failed))
    if (entry.path().extension() == ".yaml") files.push_back(entry.path().string());
  if (failed) return make_error("bad_usage", "read " + folder + ": " + failed.message());
  if (files.empty()) return make_error("bad_usage", "there is no *.yaml in " + folder);
  std::sort(files.begin(), files.end());
  return files;
}

Result<Json> read_definition(const std::string& file) {
  auto text = read_file(file, kMaxYamlBytes);
  if (!text) return std::move(text).error();
  auto object = yaml_to_json(*text);
  if (!object) return std::move(object).error().during(file);
  if (kube::text_at(*object, {"kind"}) != kKind)
    return make_error("bad_usage", file + " is no " + kKind);
  return object;
}

bool holds(const Json& definition, const char* condition) {
  for (const Json& each : kube::find(definition, {"status", "conditions"}))
    if (kube::text_at(each, {"type"}) == condition)
      return kube::text_at(each, {"status"}) == "True";
  return false;
}

// Why a definition is not served: names that another one has, a schema that is none.
std::string why_not(const Json& definition) {
  for (const Json& each : kube::find(definition, {"status", "conditions"})) {
    const bool bad = (kube::text_at(each, {"type"}) == "NonStructuralSchema") ==
                     (kube::text_at(each, {"status"}) == "True");
    if (bad) return kube::text_at(each, {"reason"}) + ": " + kube::text_at(each, {"message"});
  }
  return "the cluster has not said why";
}

Status wait_until_served(kube::Client& client, const std::string& name, Steady::time_point end) {
  for (;;) {
    auto definition = client.get(definitions(), {"", name});
    if (!definition) return std::move(definition).error().during("look at " + name);
    if (holds(*definition, "Established") && holds(*definition, "NamesAccepted")) return success();
    if (Steady::now() >= end)
      return Error{Errc::deadline_exceeded, name + " is not served: " + why_not(*definition)};
    kube::pause({}, kLook);
  }
}

}  // namespace

Result<std::vector<std::string>> install_crds(const InstallCrdsOptions& options) {
  auto files = yaml_files(options.folder);
  if (!files) return std::move(files).error();
  auto client = open_cluster(options.cluster, "vibed-crds");
  if (!client) return std::move(client).error();
  const auto end = Steady::now() + options.timeout;
  std::vector<std::string> names;
  for (const std::string& file : *files) {
    auto definition = read_definition(file);
    if (!definition) return std::move(definition).error();
    // Helm or kubectl may have brought an older one: the fields are ours from now on.
    auto applied = (*client)->apply(definitions(), *definition, {.force = true});
    if (!applied) return std::move(applied).error().during("apply " + file);
    names.push_back(kube::key_of(*applied).name);
  }
  for (const std::string& name : names)
    if (Status served = wait_until_served(**client, name, end); !served)
      return std::move(served).error();
  return names;
}

}  // namespace vibed
