#include "app/kubernetes_world.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "app/kubernetes_record.hpp"
#include "base/files.hpp"
#include "config/yaml.hpp"

namespace vibed::testing {
namespace {

using namespace std::chrono_literals;
using kube::Json;
using Steady = std::chrono::steady_clock;

const std::string kSpace = "vibed-apps";
const kube::Resource kDefinitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions",
                                  "CustomResourceDefinition", false};

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

// Also waits until objects of the kind can be asked for.
void install(kube::Client& client) {
  const std::string file = VIBED_SOURCE_DIR "/chart/crd/vibedapps.vibed.dev.yaml";
  const std::string text = must(read_file(file, 1024 * 1024));
  must(client.apply(kDefinitions, must(yaml_to_json(text))));
  const auto limit = Steady::now() + 60s;
  while (!client.list(vibed_apps(), {.space = kSpace})) {
    if (Steady::now() > limit) throw std::runtime_error("the custom resource is never served");
    std::this_thread::sleep_for(50ms);
  }
}

void clear(kube::Client& client) {
  for (const Json& app : must(client.list(vibed_apps(), {.space = kSpace})).items) {
    const kube::ObjectKey key = kube::key_of(app);
    (void)client.patch(vibed_apps(), key, kube::PatchType::merge,
                       {{"metadata", {{"finalizers", nullptr}}}});
    (void)client.remove(vibed_apps(), key);
  }
}

std::shared_ptr<AppStore> store_of(std::unique_ptr<KubernetesWorld> world) {
  if (world == nullptr) return nullptr;
  const std::shared_ptr<KubernetesWorld> shared = std::move(world);
  return {shared, shared->store.get()};
}

}  // namespace

std::unique_ptr<KubernetesAppStore> KubernetesWorld::open() const {
  return must(open_kubernetes_app_store(*client, {.space = kSpace}));
}

std::unique_ptr<KubernetesWorld> fake_cluster() {
  auto world = std::make_unique<KubernetesWorld>();
  world->fake = std::make_unique<FakeApi>();
  world->client = must(kube::open_client(world->fake->access(), {.name = "vibed-test"}));
  world->store = world->open();
  return world;
}

std::unique_ptr<KubernetesWorld> real_cluster(std::string& why) {
  RealApi* real = RealApi::instance(why);
  if (real == nullptr) return nullptr;
  auto world = std::make_unique<KubernetesWorld>();
  world->client = must(kube::open_client(real->access(), {.name = "vibed-test"}));
  auto space = world->client->create(kube::namespaces(), {{"metadata", {{"name", kSpace}}}});
  if (space) install(*world->client);
  clear(*world->client);
  world->store = world->open();
  return world;
}

std::shared_ptr<AppStore> fake_cluster_store() { return store_of(fake_cluster()); }

std::shared_ptr<AppStore> real_cluster_store() {
  std::string why;
  return store_of(real_cluster(why));
}

void settle(AppStore& store) {
  auto& apps = dynamic_cast<KubernetesAppStore&>(store);
  const Status told = apps.catch_up({}, Steady::now() + 60s);
  EXPECT_TRUE(told) << told.error().message;
}

}  // namespace vibed::testing
