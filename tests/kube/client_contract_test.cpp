// What the client promises, on the fake API server and on the real one.
#include <gtest/gtest.h>

#include <latch>
#include <set>
#include <thread>

#include "kube/worlds.hpp"

namespace vibed::kube {
namespace {

using testing::Kind;

const Resource& deployments() {
  static const Resource kResource{"apps", "v1", "deployments", "Deployment"};
  return kResource;
}

class ClientContract : public testing::KubeTest {
 protected:
  Json deployment(const std::string& name) const {
    return {{"apiVersion", "apps/v1"},
            {"kind", "Deployment"},
            {"metadata", {{"name", name}, {"namespace", space_}}},
            {"spec",
             {{"replicas", 1},
              {"selector", {{"matchLabels", {{"app", name}}}}},
              {"template",
               {{"metadata", {{"labels", {{"app", name}}}}},
                {"spec", {{"containers", {{{"name", "c"}, {"image", "i"}}}}}}}}}}};
  }

  ObjectKey key(const std::string& name) const { return {space_, name}; }

  void make(int count) {
    for (int i = 0; i < count; ++i) {
      Json object = config_map("c" + std::to_string(i));
      object["metadata"]["labels"]["parity"] = i % 2 == 0 ? "even" : "odd";
      auto made = client_->create(config_maps(), object);
      ASSERT_TRUE(made) << made.error().message;
    }
  }
};

TEST_P(ClientContract, WhatIsCreatedIsThereWithAUidAndAVersion) {
  auto made = client_->create(config_maps(), config_map("a"));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_FALSE(uid_of(*made).empty());
  EXPECT_TRUE(version_number(version_of(*made)).has_value());
  auto read = client_->get(config_maps(), key("a"));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(text_at(*read, {"data", "value"}), "1");
  EXPECT_EQ(key_of(*read), key("a"));
}

TEST_P(ClientContract, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(client_->get(config_maps(), key("a")).error().code, Errc::not_found);
  EXPECT_EQ(client_->get(config_maps(), key("a")).error().reason, "");
  EXPECT_EQ(client_->remove(config_maps(), key("a")).error().code, Errc::not_found);
}

TEST_P(ClientContract, AKindThatIsNotServedIsToldApartFromAMissingObject) {
  const Resource unknown{"unknown.example", "v1", "things", "Thing"};
  auto read = client_->get(unknown, key("a"));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().reason, "kind_not_served") << read.error().message;
}

TEST_P(ClientContract, CreatingTwiceSaysAlreadyExists) {
  ASSERT_TRUE(client_->create(config_maps(), config_map("a")));
  EXPECT_EQ(client_->create(config_maps(), config_map("a")).error().code, Errc::already_exists);
}

TEST_P(ClientContract, AGeneratedNameIsNew) {
  Json object = config_map("");
  object["metadata"] = {{"generateName", "g-"}, {"namespace", space_}};
  auto one = client_->create(config_maps(), object);
  auto two = client_->create(config_maps(), object);
  ASSERT_TRUE(one && two);
  EXPECT_NE(key_of(*one), key_of(*two));
  EXPECT_TRUE(key_of(*one).name.starts_with("g-"));
}

TEST_P(ClientContract, ADryRunLeavesNothing) {
  ASSERT_TRUE(client_->create(config_maps(), config_map("a"), {.dry_run = true}));
  EXPECT_EQ(client_->get(config_maps(), key("a")).error().code, Errc::not_found);
}

TEST_P(ClientContract, ReplacingAnOldVersionIsAConflict) {
  auto made = client_->create(config_maps(), config_map("a"));
  ASSERT_TRUE(made);
  Json next = *made;
  next["data"]["value"] = "2";
  ASSERT_TRUE(client_->replace(config_maps(), next));
  next["data"]["value"] = "3";
  auto late = client_->replace(config_maps(), next);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::conflict);
}

TEST_P(ClientContract, DeletingAnotherObjectOfTheNameIsAConflict) {
  auto made = client_->create(config_maps(), config_map("a"));
  ASSERT_TRUE(made);
  EXPECT_EQ(client_->remove(config_maps(), key("a"), {.uid = "another"}).error().code,
            Errc::conflict);
  EXPECT_EQ(client_->remove(config_maps(), key("a"), {.version = "1"}).error().code,
            Errc::conflict);
  auto gone = client_->remove(config_maps(), key("a"), {.uid = uid_of(*made)});
  EXPECT_TRUE(gone) << gone.error().message;
  EXPECT_EQ(client_->get(config_maps(), key("a")).error().code, Errc::not_found);
}

TEST_P(ClientContract, AFinalizerHoldsAnObjectUntilItIsTakenAway) {
  Json object = config_map("a");
  object["metadata"]["finalizers"] = {"vibed.test/hold"};
  ASSERT_TRUE(client_->create(config_maps(), object));
  ASSERT_TRUE(client_->remove(config_maps(), key("a")));
  auto held = client_->get(config_maps(), key("a"));
  ASSERT_TRUE(held);
  EXPECT_FALSE(text_at(*held, {"metadata", "deletionTimestamp"}).empty());
  auto freed = client_->patch(config_maps(), key("a"), PatchType::merge,
                              {{"metadata", {{"finalizers", nullptr}}}});
  ASSERT_TRUE(freed) << freed.error().message;
  EXPECT_EQ(client_->get(config_maps(), key("a")).error().code, Errc::not_found);
}

TEST_P(ClientContract, AMergePatchChangesWhatItNamesAndKeepsTheRest) {
  ASSERT_TRUE(client_->create(config_maps(), config_map("a")));
  auto patched =
      client_->patch(config_maps(), key("a"), PatchType::merge, {{"data", {{"other", "x"}}}});
  ASSERT_TRUE(patched) << patched.error().message;
  EXPECT_EQ((*patched)["data"], (Json{{"value", "1"}, {"other", "x"}}));
}

TEST_P(ClientContract, AMergePatchWithAnOldVersionIsAConflict) {
  auto made = client_->create(config_maps(), config_map("a"));
  ASSERT_TRUE(made);
  const Json patch = {{"metadata", {{"resourceVersion", version_of(*made)}}},
                      {"data", {{"owner", "me"}}}};
  ASSERT_TRUE(client_->patch(config_maps(), key("a"), PatchType::merge, patch));
  Json late = patch;
  late["data"]["owner"] = "you";
  EXPECT_EQ(client_->patch(config_maps(), key("a"), PatchType::merge, late).error().code,
            Errc::conflict);
}

TEST_P(ClientContract, AJsonPatchWhoseTestFailsIsInvalid) {
  ASSERT_TRUE(client_->create(config_maps(), config_map("a")));
  const auto patch = [&](const char* expected) {
    const Json steps = {{{"op", "test"}, {"path", "/data/value"}, {"value", expected}},
                        {{"op", "replace"}, {"path", "/data/value"}, {"value", "9"}}};
    return client_->patch(config_maps(), key("a"), PatchType::json, steps);
  };
  EXPECT_EQ(patch("7").error().code, Errc::invalid_argument);
  auto good = patch("1");
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(text_at(*good, {"data", "value"}), "9");
}

TEST_P(ClientContract, ApplyMakesChangesAndTakesBackWhatItNoLongerNames) {
  Json object = config_map("a");
  object["data"]["extra"] = "x";
  ASSERT_TRUE(client_->apply(config_maps(), object));
  object["data"].erase("extra");
  object["data"]["value"] = "2";
  auto applied = client_->apply(config_maps(), object);
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_EQ((*applied)["data"], (Json{{"value", "2"}}));
}

TEST_P(ClientContract, ApplyOfWhatAnotherManagerHasIsAConflictUnlessForced) {
  ASSERT_TRUE(client_->apply(config_maps(), config_map("a"), {.field_manager = "one"}));
  auto other = client_->apply(config_maps(), config_map("a", "2"), {.field_manager = "two"});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::conflict);
  EXPECT_NE(other.error().message.find("one"), std::string::npos) << other.error().message;
  auto forced =
      client_->apply(config_maps(), config_map("a", "2"), {.field_manager = "two", .force = true});
  ASSERT_TRUE(forced) << forced.error().message;
  EXPECT_EQ(text_at(*forced, {"data", "value"}), "2");
}

TEST_P(ClientContract, AStatusIsWrittenApartAndChangesNoGeneration) {
  auto made = client_->create(deployments(), deployment("web"));
  ASSERT_TRUE(made) << made.error().message;
  Json next = *made;
  next["status"] = {{"observedGeneration", 1}, {"replicas", 1}};
  next["spec"]["replicas"] = 5;  // not with the status
  auto written = client_->replace(deployments(), next, {.subresource = "status"});
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(find(*written, {"status", "replicas"}), 1);
  EXPECT_EQ(find(*written, {"spec", "replicas"}), 1);
  EXPECT_EQ(find(*written, {"metadata", "generation"}), 1);
  auto patched = client_->patch(deployments(), key("web"), PatchType::merge,
                                {{"status", {{"replicas", 3}}}}, {.subresource = "status"});
  ASSERT_TRUE(patched) << patched.error().message;
  EXPECT_EQ(find(*patched, {"status", "replicas"}), 3);
}

TEST_P(ClientContract, AScaleIsReadAndPatched) {
  ASSERT_TRUE(client_->create(deployments(), deployment("web")));
  auto scale = client_->get(deployments(), key("web"), "scale");
  ASSERT_TRUE(scale) << scale.error().message;
  EXPECT_EQ(find(*scale, {"spec", "replicas"}), 1);
  ASSERT_TRUE(client_->patch(deployments(), key("web"), PatchType::merge,
                             {{"spec", {{"replicas", 4}}}}, {.subresource = "scale"}));
  auto grown = client_->get(deployments(), key("web"));
  ASSERT_TRUE(grown);
  EXPECT_EQ(find(*grown, {"spec", "replicas"}), 4);
}

TEST_P(ClientContract, AListHasAllPagesAndNamesTheKind) {
  make(7);
  auto all = client_->list(config_maps(), {.space = space_, .labels = "parity", .page = 2});
  ASSERT_TRUE(all) << all.error().message;
  std::set<std::string> names;
  for (const Json& item : all->items) {
    names.insert(key_of(item).name);
    EXPECT_EQ(text_at(item, {"kind"}), "ConfigMap");
    EXPECT_EQ(text_at(item, {"apiVersion"}), "v1");
  }
  EXPECT_EQ(names.size(), 7U);
  EXPECT_TRUE(version_number(all->version).has_value());
}

TEST_P(ClientContract, ListsAreSelectedByLabelsAndFields) {
  make(4);
  const auto count = [&](const std::string& labels, const std::string& fields) {
    auto some = client_->list(config_maps(), {.space = space_, .labels = labels, .fields = fields});
    EXPECT_TRUE(some) << some.error().message;
    return some ? some->items.size() : 0;
  };
  EXPECT_EQ(count("parity=odd", ""), 2U);
  EXPECT_EQ(count("parity in (odd, even)", ""), 4U);
  EXPECT_EQ(count("parity", "metadata.name=c2"), 1U);
  EXPECT_EQ(count("parity=none", ""), 0U);
}

TEST_P(ClientContract, AWatchTellsOfEveryChangeAfterItsVersionInOrder) {
  auto before = client_->list(config_maps(), {.space = space_});
  ASSERT_TRUE(before);
  ASSERT_TRUE(client_->create(config_maps(), config_map("a")));
  ASSERT_TRUE(
      client_->patch(config_maps(), key("a"), PatchType::merge, {{"data", {{"value", "2"}}}}));
  ASSERT_TRUE(client_->remove(config_maps(), key("a")));
  std::vector<EventType> types;
  std::vector<std::uint64_t> versions;
  const WatchOptions options{
      .space = space_, .fields = "metadata.name=a", .version = before->version};
  auto end = client_->watch(config_maps(), options, [&](const WatchEvent& event) {
    if (event.type == EventType::bookmark) return true;
    types.push_back(event.type);
    versions.push_back(*version_number(version_of(event.object)));
    return event.type != EventType::deleted;
  });
  EXPECT_TRUE(end.status) << end.status.error().message;
  EXPECT_EQ(types, (std::vector{EventType::added, EventType::modified, EventType::deleted}));
  EXPECT_TRUE(std::is_sorted(versions.begin(), versions.end()));
}

TEST_P(ClientContract, AWatchEndsByItselfWhenItsTimeIsUp) {
  auto before = client_->list(config_maps(), {.space = space_});
  ASSERT_TRUE(before);
  auto end = client_->watch(
      config_maps(),
      {.space = space_, .version = before->version, .timeout = std::chrono::seconds(1)},
      [](const WatchEvent&) { return true; });
  EXPECT_TRUE(end.status) << end.status.error().message;
}

TEST_P(ClientContract, AStopEndsAWatch) {
  auto before = client_->list(config_maps(), {.space = space_});
  ASSERT_TRUE(before);
  std::stop_source stop;
  std::latch seen(1);
  WatchEnd end;
  std::jthread watcher([&] {
    end = client_->watch(config_maps(),
                         {.space = space_, .version = before->version, .stop = stop.get_token()},
                         [&](const WatchEvent& event) {
                           if (event.type == EventType::added) seen.count_down();
                           return true;
                         });
  });
  ASSERT_TRUE(client_->create(config_maps(), config_map("once")));
  seen.wait();
  stop.request_stop();
  watcher.join();
  ASSERT_FALSE(end.status);
  EXPECT_EQ(end.status.error().code, Errc::cancelled);
}

TEST_P(ClientContract, AWatchFromBeforeTheHistoryIsExpired) {
  ASSERT_TRUE(client_->create(config_maps(), config_map("a")));
  if (fake_ != nullptr) {
    fake_->expire();
  } else {
    // A new process knows only what comes after its start.
    real_->kill();
    real_->start();
  }
  auto end = client_->watch(config_maps(), {.space = space_, .version = "1"},
                            [](const WatchEvent&) { return true; });
  ASSERT_FALSE(end.status);
  EXPECT_EQ(end.status.error().reason, "watch_expired") << end.status.error().message;
}

TEST_P(ClientContract, ManyThreadsUseOneClient) {
  std::atomic<int> good = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) {
        const std::string name = "c" + std::to_string(t) + "-" + std::to_string(i);
        if (client_->create(config_maps(), config_map(name)) &&
            client_->get(config_maps(), key(name))) {
          ++good;
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(good, 20);
}

INSTANTIATE_TEST_SUITE_P(On, ClientContract, ::testing::Values(Kind::fake, Kind::real),
                         testing::name_of);

// What only the real one can show.
class RealClient : public ClientContract {};

TEST_P(RealClient, AStrangerIsForbiddenAndNobodyIsUnauthenticated) {
  auto tester = open_client(real_->access_of_tester());
  ASSERT_TRUE(tester);
  auto read = (*tester)->get(config_maps(), key("a"));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::permission_denied) << read.error().message;
  Access nobody = real_->access_of_tester();
  nobody.token.text = "wrong";
  auto stranger = open_client(nobody);
  ASSERT_TRUE(stranger);
  EXPECT_EQ((*stranger)->get(config_maps(), key("a")).error().code, Errc::unauthenticated);
}

TEST_P(RealClient, AnInvalidObjectIsRefusedWithTheFieldsThatAreWrong) {
  Json object = config_map("a");
  object["metadata"]["labels"]["x"] = "not a label!";
  auto made = client_->create(config_maps(), object);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().reason, "invalid_object");
  EXPECT_NE(made.error().message.find("metadata.labels"), std::string::npos)
      << made.error().message;
}

TEST_P(RealClient, AQuotaThatIsUsedUpHasAWordOfItsOwn) {
  const Resource quotas{"", "v1", "resourcequotas", "ResourceQuota"};
  Json quota = config_map("q");
  quota["kind"] = "ResourceQuota";
  quota.erase("data");
  quota["spec"]["hard"]["count/secrets"] = "0";
  ASSERT_TRUE(client_->create(quotas, quota));
  quota = *client_->get(quotas, key("q"));
  // There is no controller here that would do it.
  quota["status"] = {{"hard", {{"count/secrets", "0"}}}, {"used", {{"count/secrets", "0"}}}};
  ASSERT_TRUE(client_->replace(quotas, quota, {.subresource = "status"}));
  Json secret = config_map("s");
  secret["kind"] = "Secret";
  secret.erase("data");
  auto made = client_->create(secrets(), secret);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().reason, "cluster_quota_exceeded") << made.error().message;
}

TEST_P(RealClient, ANamespaceThatIsGoingTakesNothingNew) {
  ASSERT_TRUE(client_->remove(namespaces(), {"", space_}));
  auto made = client_->create(config_maps(), config_map("a"));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().reason, "namespace_terminating") << made.error().message;
}

TEST_P(RealClient, TheServerIsCheckedForTheNameThatIsAskedFor) {
  Access access = real_->access();
  access.server_name = "kubernetes.test";
  auto named = open_client(access);
  ASSERT_TRUE(named);
  auto version = (*named)->get_raw("/version");
  EXPECT_TRUE(version) << version.error().message;
  access.server_name = "other.test";
  auto other = open_client(access);
  ASSERT_TRUE(other);
  EXPECT_EQ((*other)->get_raw("/version", {.timeout = std::chrono::seconds(1)}).error().code,
            Errc::unavailable);
}

INSTANTIATE_TEST_SUITE_P(On, RealClient, ::testing::Values(Kind::real), testing::name_of);

}  // namespace
}  // namespace vibed::kube
