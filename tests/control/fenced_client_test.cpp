// What only the leader may do: nothing of it is sent by whoever does not lead.
#include "control/fenced_client.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>

#include "kube/worlds.hpp"

namespace vibed::control {
namespace {

using namespace std::chrono_literals;
using testing::Fault;

class FencedClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    client_ = std::move(*kube::open_client(api_.access(), {.name = "fenced"}));
    fenced_ = make_fenced_client(
        *client_, {.leads = [this] { return leads_.load(); }, .lost = lost_.get_token()});
    api_.create(kube::config_maps(), config_map("there"));
  }

  static kube::Json config_map(const std::string& name) {
    return {{"apiVersion", "v1"},
            {"kind", "ConfigMap"},
            {"metadata", {{"name", name}, {"namespace", "space"}}}};
  }

  // One of each kind of write.
  std::vector<Errc> write_all() {
    const kube::ObjectKey key{"space", "there"};
    const kube::Json object = config_map("there");
    std::vector<Errc> errors;
    const auto note = [&](const auto& result) {
      errors.push_back(result ? Errc::internal : result.error().code);
    };
    note(fenced_->create(kube::config_maps(), config_map("new")));
    note(fenced_->replace(kube::config_maps(), object));
    note(fenced_->apply(kube::config_maps(), object));
    note(fenced_->patch(kube::config_maps(), key, kube::PatchType::merge, {{"data", nullptr}}));
    note(fenced_->remove(kube::config_maps(), key));
    return errors;
  }

  int writes() const {
    return api_.requests("POST ") + api_.requests("PUT ") + api_.requests("PATCH ") +
           api_.requests("DELETE ");
  }

  testing::FakeApi api_;
  std::unique_ptr<kube::Client> client_;
  std::atomic<bool> leads_ = true;
  std::stop_source lost_;
  std::unique_ptr<kube::Client> fenced_;
};

TEST_F(FencedClientTest, TheLeaderWritesAsEver) {
  EXPECT_TRUE(fenced_->create(kube::config_maps(), config_map("new")));
  EXPECT_TRUE(fenced_->remove(kube::config_maps(), {"space", "there"}));
}

TEST_F(FencedClientTest, WhoDoesNotLeadWritesNothingAndReadsOn) {
  leads_ = false;
  EXPECT_EQ(write_all(), std::vector<Errc>(5, Errc::cancelled));
  EXPECT_EQ(writes(), 0);
  EXPECT_TRUE(fenced_->get(kube::config_maps(), {"space", "there"}));
  EXPECT_TRUE(fenced_->list(kube::config_maps()));
}

TEST_F(FencedClientTest, WhoHasLostTheLeaseWritesNothingWhateverItsClockSays) {
  lost_.request_stop();
  EXPECT_EQ(write_all(), std::vector<Errc>(5, Errc::cancelled));
  EXPECT_EQ(writes(), 0);
}

TEST_F(FencedClientTest, ARepeatedWriteEndsWithTheLead) {
  api_.inject({.what = Fault::What::refuse, .times = 1000, .method = "PATCH"});
  auto done = std::async(std::launch::async, [&] {
    return fenced_->patch(kube::config_maps(), {"space", "there"}, kube::PatchType::merge,
                          {{"data", {{"a", "b"}}}});
  });
  api_.wait_for_requests("PATCH", 2);
  leads_ = false;
  auto result = done.get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::cancelled);
  int sent = api_.requests("PATCH");
  EXPECT_LE(sent, 3) << "one may have been on its way";
}

TEST_F(FencedClientTest, WhatHangsEndsWhenTheLeaseIsLost) {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  std::promise<void> arrived;
  api_.before_each([&](const http::Request& request) {
    if (request.method != "PUT") return;
    arrived.set_value();
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return open; });
  });
  auto done = std::async(std::launch::async, [&] {
    return fenced_->replace(kube::config_maps(), config_map("there"));
  });
  arrived.get_future().wait();
  lost_.request_stop();
  EXPECT_EQ(done.wait_for(10s), std::future_status::ready);
  {
    std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
  EXPECT_EQ(done.get().error().code, Errc::cancelled);
}

TEST_F(FencedClientTest, AWatchEndsWhenTheLeaseIsLost) {
  auto done = std::async(std::launch::async, [&] {
    return fenced_->watch(kube::config_maps(), {.version = "100"},
                          [](const kube::WatchEvent&) { return true; });
  });
  api_.wait_for_watch("configmaps");
  lost_.request_stop();
  EXPECT_EQ(done.wait_for(10s), std::future_status::ready);
}

}  // namespace
}  // namespace vibed::control
