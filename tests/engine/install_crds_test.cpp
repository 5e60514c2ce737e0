// Definitions, new and newer, in a fake and in a real API server.
#include <fstream>
#include <future>
#include <thread>

#include "app/kubernetes_record.hpp"
#include "base/files.hpp"
#include "config/yaml.hpp"
#include "controller_world.hpp"
#include "kube/real_api.hpp"

namespace vibed {
namespace {

using namespace std::chrono_literals;
using kube::Json;

const kube::Resource kDefinitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions",
                                  "CustomResourceDefinition", false};
const kube::ObjectKey kOurs{"", "vibedapps.vibed.dev"};

InstallCrdsOptions options_for(const testing::TempDir& folder, const kube::Access& access) {
  const std::string file = folder / "kubeconfig";
  write_kubeconfig(file, access);
  InstallCrdsOptions options;
  options.cluster.kubeconfig = file;
  options.folder = VIBED_SOURCE_DIR "/chart/crd";
  return options;
}

TEST(InstallCrds, WaitsUntilTheDefinitionIsServed) {
  testing::FakeApi api;
  testing::TempDir folder;
  auto options = options_for(folder, api.access());
  auto done = std::async(std::launch::async, [&] { return install_crds(options); });
  api.wait_for_requests("GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions/", 2);
  EXPECT_EQ(done.wait_for(0s), std::future_status::timeout);
  auto client = std::move(*kube::open_client(api.access()));
  const Json conditions = {{{"type", "NamesAccepted"}, {"status", "True"}},
                           {{"type", "Established"}, {"status", "True"}}};
  ASSERT_TRUE(client->patch(kDefinitions, kOurs, kube::PatchType::merge,
                            {{"status", {{"conditions", conditions}}}}, {.subresource = "status"}));
  auto names = done.get();
  ASSERT_TRUE(names) << names.error().message;
  EXPECT_EQ(*names, std::vector<std::string>{"vibedapps.vibed.dev"});
}

TEST(InstallCrds, SaysWhyADefinitionIsNotServed) {
  testing::FakeApi api;
  testing::TempDir folder;
  auto options = options_for(folder, api.access());
  options.timeout = 1s;
  auto client = std::move(*kube::open_client(api.access()));
  auto done = std::async(std::launch::async, [&] { return install_crds(options); });
  api.wait_for_requests("GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions/", 1);
  const Json conditions = Json::array({{{"type", "NamesAccepted"},
                                        {"status", "False"},
                                        {"reason", "ListKindConflict"},
                                        {"message", "taken"}}});
  (void)client->patch(kDefinitions, kOurs, kube::PatchType::merge,
                      {{"status", {{"conditions", conditions}}}}, {.subresource = "status"});
  auto names = done.get();
  ASSERT_FALSE(names);
  EXPECT_EQ(names.error().code, Errc::deadline_exceeded);
  EXPECT_NE(names.error().message.find("ListKindConflict: taken"), std::string::npos)
      << names.error().message;
}

TEST(InstallCrds, RefusesAFolderWithoutDefinitions) {
  testing::FakeApi api;
  testing::TempDir folder;
  auto options = options_for(folder, api.access());
  options.folder = folder.path();
  EXPECT_EQ(install_crds(options).error().reason, "bad_usage");
  std::ofstream(folder / "service.yaml") << "kind: Service\n";
  EXPECT_EQ(install_crds(options).error().reason, "bad_usage");
}

// As an earlier vibed had it: without the fields and rules that are new.
Json older(Json definition) {
  Json& schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
  for (const char* field : {"observedGeneration", "runtimeVersion", "startCommand"})
    schema["properties"]["status"]["properties"].erase(field);
  schema.erase("x-kubernetes-validations");
  schema["properties"]["spec"]["properties"]["source"].erase("x-kubernetes-validations");
  return definition;
}

TEST(RealInstallCrds, ANewerDefinitionReplacesAnOlderOneAndAppsStay) {
  std::string why;
  testing::RealApi* real = testing::RealApi::instance(why);
  if (real == nullptr) GTEST_SKIP() << why;
  testing::TempDir folder;
  auto options = options_for(folder, real->access());
  auto client = std::move(*kube::open_client(real->access(), {.name = "helm"}));
  ASSERT_TRUE(client->create(kube::namespaces(), {{"metadata", {{"name", "vibed-apps"}}}}));
  const Json newest =
      *yaml_to_json(*read_file(options.folder + "/vibedapps.vibed.dev.yaml", 1 << 20));
  ASSERT_TRUE(client->create(kDefinitions, older(newest)));
  const kube::ObjectKey web{"vibed-apps", "web"};
  const Json app = {{"apiVersion", "vibed.dev/v1alpha1"},
                    {"kind", "VibedApp"},
                    {"metadata", {{"namespace", web.space}, {"name", web.name}}},
                    {"spec",
                     {{"owner", "anna"},
                      {"source", {{"tarballRef", "key"}}},
                      {"runtime", {{"lane", "general"}, {"template", "node-24"}}}}}};
  for (int i = 0; i < 600 && !client->create(vibed_apps(), app); ++i)
    std::this_thread::sleep_for(100ms);
  const Json status = {{"status", {{"phase", "Ready"}, {"observedGeneration", 1}}}};
  auto pruned =
      client->patch(vibed_apps(), web, kube::PatchType::merge, status, {.subresource = "status"});
  ASSERT_TRUE(pruned) << pruned.error().message;
  EXPECT_FALSE((*pruned)["status"].contains("observedGeneration"));

  for (int twice = 0; twice < 2; ++twice) {
    auto names = install_crds(options);
    ASSERT_TRUE(names) << names.error().message;
  }
  auto now = client->get(kDefinitions, kOurs);
  ASSERT_TRUE(now);
  EXPECT_TRUE((*now)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
                    ["properties"]
                        .contains("observedGeneration"));
  ASSERT_TRUE(client->get(vibed_apps(), web));
  // The API server takes a moment before it serves the new schema.
  bool kept = false;
  for (int i = 0; i < 100 && !kept; ++i) {
    auto written =
        client->patch(vibed_apps(), web, kube::PatchType::merge, status, {.subresource = "status"});
    kept = written && (*written)["status"].contains("observedGeneration");
    if (!kept) std::this_thread::sleep_for(100ms);
  }
  EXPECT_TRUE(kept);
}

}  // namespace
}  // namespace vibed
