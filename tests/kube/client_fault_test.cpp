// What the client does when the API server fails it.
#include <gtest/gtest.h>

#include <atomic>

#include "kube/worlds.hpp"

namespace vibed::kube {
namespace {

using testing::FakeApi;
using testing::Fault;
using What = Fault::What;

class ClientFaults : public ::testing::Test {
 protected:
  Json config_map(const std::string& name) const {
    return {{"metadata", {{"name", name}, {"namespace", "default"}}}, {"data", {{"value", "1"}}}};
  }
  ObjectKey key(const std::string& name) const { return {"default", name}; }

  FakeApi api_;
  // No jitter, so that a test takes as long every time.
  std::unique_ptr<Client> client_ =
      *open_client(api_.access(), {.name = "test", .random = [] { return 0.0; }});
};

TEST_F(ClientFaults, AReadThatIsTurnedAwayIsRepeated) {
  api_.create(config_maps(), config_map("a"));
  for (int code : {429, 500, 502, 503, 504}) {
    api_.inject({.what = What::refuse, .times = 2, .refusal = {code, "", "busy", {}}});
    auto read = client_->get(config_maps(), key("a"));
    EXPECT_TRUE(read) << code << ": " << read.error().message;
  }
  EXPECT_EQ(api_.requests("GET"), 15);
}

TEST_F(ClientFaults, WhatWillNotGetBetterIsNotRepeated) {
  for (int code : {400, 401, 403, 404, 405, 409, 410, 413, 422}) {
    api_.inject({.what = What::refuse, .refusal = {code, "", "no", {}}});
    EXPECT_FALSE(client_->get(config_maps(), key("a"))) << code;
  }
  EXPECT_EQ(api_.requests("GET"), 9);
}

TEST_F(ClientFaults, ACreateUnderAGeneratedNameIsRepeatedOnlyIfItWasNotBegun) {
  const Json generated = {{"metadata", {{"generateName", "g-"}, {"namespace", "default"}}}};
  api_.inject({.what = What::refuse, .refusal = {503, "", "perhaps", {}}});
  EXPECT_EQ(client_->create(config_maps(), generated).error().code, Errc::unavailable);
  EXPECT_EQ(api_.requests("POST"), 1);
  api_.inject({.what = What::lose_answer});
  EXPECT_EQ(client_->create(config_maps(), generated).error().code, Errc::unavailable);
  EXPECT_EQ(api_.requests("POST"), 2);
  api_.inject({.what = What::refuse, .refusal = {429, "", "full", {}}});
  EXPECT_TRUE(client_->create(config_maps(), generated));
  EXPECT_EQ(api_.requests("POST"), 4);
  EXPECT_EQ(client_->list(config_maps())->items.size(), 2U);
}

TEST_F(ClientFaults, ACreateWhoseAnswerGotLostFindsWhatItHasMade) {
  api_.inject({.what = What::lose_answer, .method = "POST"});
  EXPECT_EQ(client_->create(config_maps(), config_map("a")).error().code, Errc::already_exists);
  EXPECT_TRUE(client_->get(config_maps(), key("a")));
}

TEST_F(ClientFaults, AnApplyIsRepeatedWhateverHappenedToItsAnswer) {
  api_.inject({.what = What::lose_answer, .times = 2, .method = "PATCH"});
  auto applied = client_->apply(config_maps(), config_map("a"));
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_EQ(api_.requests("PATCH"), 3);
}

TEST_F(ClientFaults, AConnectionThatEndsIsMadeAgain) {
  api_.create(config_maps(), config_map("a"));
  api_.inject({.what = What::drop, .times = 3});
  EXPECT_TRUE(client_->get(config_maps(), key("a")));
}

TEST_F(ClientFaults, RetryAfterIsWaitedFor) {
  api_.create(config_maps(), config_map("a"));
  api_.inject(
      {.what = What::refuse, .refusal = {429, "TooManyRequests", "later", {}}, .retry_after = 1});
  const auto from = std::chrono::steady_clock::now();
  EXPECT_TRUE(client_->get(config_maps(), key("a")));
  EXPECT_GE(std::chrono::steady_clock::now() - from, std::chrono::seconds(1));
}

TEST_F(ClientFaults, ARetryAfterBeyondTheTimeoutIsNotWaitedFor) {
  api_.inject({.what = What::refuse, .refusal = {429, "", "tomorrow", {}}, .retry_after = 86'400});
  const auto from = std::chrono::steady_clock::now();
  auto read = client_->get(config_maps(), key("a"), "", {.timeout = std::chrono::seconds(10)});
  EXPECT_EQ(read.error().code, Errc::resource_exhausted);
  EXPECT_LT(std::chrono::steady_clock::now() - from, std::chrono::seconds(5));
}

TEST_F(ClientFaults, AStopEndsTheWaitBetweenTwoAttempts) {
  std::stop_source stop;
  api_.inject({.what = What::refuse, .refusal = {503, "", "", {}}, .retry_after = 3600});
  std::jthread stopper([&] {
    api_.wait_for_requests("GET", 1);
    stop.request_stop();
  });
  auto read = client_->get(config_maps(), key("a"), "",
                           {.timeout = std::chrono::hours(2), .stop = stop.get_token()});
  EXPECT_EQ(read.error().code, Errc::cancelled);
}

TEST_F(ClientFaults, AnAnswerThatIsNoJsonIsAnError) {
  api_.create(config_maps(), config_map("a"));
  api_.inject({.what = What::garbage});
  auto read = client_->get(config_maps(), key("a"));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::unavailable);
  EXPECT_NE(read.error().message.find("not JSON"), std::string::npos) << read.error().message;
}

TEST_F(ClientFaults, AnObjectPastTheLimitIsAnError) {
  auto small = *open_client(api_.access(), {.max_object_bytes = 100});
  Json large = config_map("a");
  large["data"]["value"] = std::string(1000, 'x');
  api_.create(config_maps(), large);
  EXPECT_EQ(small->get(config_maps(), key("a")).error().code, Errc::resource_exhausted);
}

TEST_F(ClientFaults, AListWhosePagesAreGoneBeginsAgain) {
  for (int i = 0; i < 5; ++i) api_.create(config_maps(), config_map("c" + std::to_string(i)));
  api_.inject(
      {.what = What::refuse, .path = "continue=", .refusal = {410, "Expired", "too old", {}}});
  auto all = client_->list(config_maps(), {.page = 2});
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->items.size(), 5U);
  EXPECT_EQ(api_.requests("GET"), 5);  // page, 410, page, page, page
}

TEST_F(ClientFaults, AListWhosePagesAreAlwaysGoneComesInOnePiece) {
  for (int i = 0; i < 5; ++i) api_.create(config_maps(), config_map("c" + std::to_string(i)));
  api_.inject({.what = What::refuse,
               .times = 100,
               .path = "continue=",
               .refusal = {410, "Expired", "too old", {}}});
  auto all = client_->list(config_maps(), {.page = 2});
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->items.size(), 5U);
}

TEST_F(ClientFaults, AWatchThatIsCutTellsWhatItHadSeen) {
  const std::string from = client_->list(config_maps())->version;
  api_.inject({.what = What::cut_event, .path = "watch=true"});
  api_.create(config_maps(), config_map("a"));
  int events = 0;
  auto end = client_->watch(config_maps(), {.version = from}, [&](const WatchEvent&) {
    ++events;
    return true;
  });
  ASSERT_FALSE(end.status);
  EXPECT_EQ(end.status.error().code, Errc::unavailable);
  EXPECT_EQ(events, 0);
}

TEST_F(ClientFaults, AnExpiredWatchSaysSoInTheStreamToo) {
  const std::string from = client_->list(config_maps())->version;
  api_.inject({.what = What::expired_event, .path = "watch=true"});
  auto end =
      client_->watch(config_maps(), {.version = from}, [](const WatchEvent&) { return true; });
  ASSERT_FALSE(end.status);
  EXPECT_EQ(end.status.error().reason, "watch_expired");
}

TEST_F(ClientFaults, AWatchThatIsTurnedAwayTellsWhenToComeBack) {
  api_.inject(
      {.what = What::refuse, .refusal = {429, "TooManyRequests", "", {}}, .retry_after = 7});
  auto end =
      client_->watch(config_maps(), {.version = "1"}, [](const WatchEvent&) { return true; });
  ASSERT_FALSE(end.status);
  EXPECT_EQ(end.status.error().code, Errc::resource_exhausted);
  EXPECT_EQ(end.retry_after, std::chrono::seconds(7));
}

TEST_F(ClientFaults, LogsComePieceByPieceAndTheirSinkMayEndThem) {
  api_.create(pods(), config_map("p"));
  api_.set_log(std::string(1'000'000, 'x'));
  std::size_t got = 0;
  auto all = client_->logs(key("p"), {.tail_lines = 10}, [&](std::string_view bytes) {
    got += bytes.size();
    return success();
  });
  EXPECT_TRUE(all) << all.error().message;
  EXPECT_EQ(got, 1'000'000U);
  EXPECT_EQ(api_.requests("log?tailLines=10"), 1);
  auto ended = client_->logs(key("p"), {}, [](std::string_view) -> Status {
    return Error{Errc::cancelled, "enough"};
  });
  EXPECT_EQ(ended.error().message, "enough");
  EXPECT_EQ(client_->logs(key("q"), {}, [](std::string_view) { return success(); }).error().code,
            Errc::not_found);
}

TEST_F(ClientFaults, EveryAttemptIsObserved) {
  std::atomic<int> good = 0;
  std::atomic<int> bad = 0;
  auto client = *open_client(api_.access(), {.random = [] { return 0.0; }},
                             [&](const char* verb, const Resource& resource, int status, double) {
                               EXPECT_STREQ(verb, "get");
                               EXPECT_EQ(resource.plural, "configmaps");
                               ++(status == 200 ? good : bad);
                             });
  api_.create(config_maps(), config_map("a"));
  api_.inject({.what = What::refuse, .times = 2});
  EXPECT_TRUE(client->get(config_maps(), key("a")));
  EXPECT_EQ(good, 1);
  EXPECT_EQ(bad, 2);
}

TEST_F(ClientFaults, ANameCannotLeaveItsPlaceInThePath) {
  (void)client_->get(config_maps(), {"default", "../../secrets/s?x=1"});
  EXPECT_EQ(
      api_.requests("GET /api/v1/namespaces/default/configmaps/..%2F..%2Fsecrets%2Fs%3Fx%3D1"), 1);
}

}  // namespace
}  // namespace vibed::kube
