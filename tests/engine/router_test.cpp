// The router as a whole, beside a real Caddy.
#include "vibed/router.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <thread>

#include "base/files.hpp"
#include "fetch/fetch.hpp"
#include "process/spawn.hpp"
#include "route/caddies.hpp"
#include "route/listen_address.hpp"
#include "support/temp_dir.hpp"

namespace vibed {
namespace {

std::string free_address() {
  return route::to_string(*route::claim_port(*route::parse_listen("127.0.0.1:0")));
}

class RouterTest : public ::testing::Test {
 protected:
  RouterOptions options() {
    RouterOptions options;
    options.run = dir_ / "run";
    options.listen = address_;
    options.domain = "apps.test";
    options.waiting_room = free_address();
    options.try_duration = std::chrono::milliseconds(100);
    options.metrics_address = "127.0.0.1:0";
    options.probes_address = "127.0.0.1:0";
    return options;
  }

  int status_of(const std::string& address, const std::string& path) {
    auto answer = fetch::make_client()->send({.url = "http://" + address + path});
    return answer ? answer->status : 0;
  }

  testing::TempDir dir_;
  const std::string address_ = free_address();
};

TEST_F(RouterTest, IsReadyWhenCaddyIsConfigured) {
  const std::string program = testing::caddy_program({"2.11"});
  NEEDS_CADDY(program);
  auto router = Router::open(options());
  ASSERT_TRUE(router) << router.error().message;
  EXPECT_EQ(status_of((*router)->probes_address(), "/readyz"), 503);
  EXPECT_EQ(status_of((*router)->probes_address(), "/healthz"), 200);

  std::filesystem::create_directories(options().run);
  ASSERT_TRUE(
      write_file(dir_ / "caddy.json", caddy_bootstrap(options().run), Durability::unsynced));
  SpawnOptions caddy;
  caddy.argv = {program, "run", "--config", dir_ / "caddy.json"};
  caddy.env = {{"HOME=" + dir_.path()}};
  auto running = spawn(caddy);
  ASSERT_TRUE(running) << running.error().message;
  EXPECT_TRUE(testing::eventually(
      [&] { return status_of((*router)->probes_address(), "/readyz") == 200; }));
  // Nobody answers for the app, nor in the waiting room: Caddy's own words.
  auto answer = testing::ask(address_, "abc.apps.test");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(testing::ask(address_, "elsewhere.test")->status, 421);
  EXPECT_EQ(status_of((*router)->metrics_address(), "/metrics"), 200);
  (*router)->close();
  EXPECT_EQ(testing::ask(address_, "abc.apps.test")->status, 503) << "Caddy serves on";
  (void)running->signal(SIGKILL);
  (void)running->reap();
}

TEST_F(RouterTest, RefusesWhatCannotWork) {
  for (auto spoil :
       {+[](RouterOptions& o) { o.layout = "other"; }, +[](RouterOptions& o) { o.tls = "[]"; },
        +[](RouterOptions& o) { o.waiting_room.clear(); },
        +[](RouterOptions& o) { o.run = "relative"; },
        +[](RouterOptions& o) { o.storage = "/data"; },
        +[](RouterOptions& o) { o.redirect = "127.0.0.1:1"; },
        +[](RouterOptions& o) { o.https_port = 0; },
        +[](RouterOptions& o) { o.try_duration = {}; }}) {
    RouterOptions bad = options();
    spoil(bad);
    auto router = Router::open(bad);
    ASSERT_FALSE(router);
    EXPECT_EQ(router.error().reason, "bad_config");
  }
}

}  // namespace
}  // namespace vibed
