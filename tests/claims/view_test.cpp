// What a process sees that only looks.
#include <gtest/gtest.h>

#include "claims/claim_pool.hpp"
#include "claims/claim_view.hpp"
#include "claims/names.hpp"
#include "fake_cluster.hpp"
#include "sandbox/local_world.hpp"

namespace vibed::claims {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr char kSecret[] = "a secret of 32 bytes or even more";
constexpr char kTemplate[] = "python-313";

class ViewTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_.add_pool(kTemplate, 4);
    cluster_.add_pool("off", 1, "switched off for this test");
    ClaimPoolOptions options;
    options.space = FakeCluster::kSpace;
    options.install_secret = kSecret;
    options.agent_port = cluster_.agent_port();
    auto opened = open_claim_pool(cluster_.client(), *sources_, options);
    ASSERT_TRUE(opened) << opened.error().message;
    pool_ = *std::move(opened);
    view_ = open_claim_view(cluster_.client(), {.space = FakeCluster::kSpace,
                                                .install_secret = kSecret,
                                                .agent_port = cluster_.agent_port()});
    ASSERT_TRUE(pool_->wait_synced({}, Steady::now() + 60s));
    ASSERT_TRUE(view_->wait_synced({}, Steady::now() + 60s));
  }

  static bool until(const std::function<bool()>& true_now) {
    for (int i = 0; i < 2000; ++i) {
      if (true_now()) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }

  TemplateStatus of(const std::string& name) {
    for (const TemplateStatus& status : view_->templates()) {
      if (status.name == name) return status;
    }
    return {};
  }

  SandboxRequest request_ = {"web", "uid-1", "label0000001", 1, kTemplate};
  std::unique_ptr<SourceStore> sources_ = sandbox::make_echo_store();
  FakeCluster cluster_;
  std::unique_ptr<ClaimPool> pool_;
  std::unique_ptr<ClaimView> view_;
};

TEST_F(ViewTest, TemplatesAreThoseOfThePool) {
  ASSERT_TRUE(until([&] { return of(kTemplate).ready > 0; }));
  EXPECT_TRUE(of(kTemplate).available);
  EXPECT_EQ(of(kTemplate).size, 4);
  EXPECT_FALSE(of("off").available);
  EXPECT_EQ(of("off").message, "switched off for this test");
  ASSERT_TRUE(pool_->claim(request_));
  EXPECT_TRUE(until([&] { return of(kTemplate).claimed == 1; }));
}

TEST_F(ViewTest, FollowsASandboxFromItsClaimToItsEnd) {
  EXPECT_TRUE(view_->observe("uid-1").empty());
  cluster_.hold(true);
  auto claimed = pool_->claim(request_);
  ASSERT_TRUE(claimed) << claimed.error().message;
  ASSERT_TRUE(until([&] { return view_->observe("uid-1").size() == 1; }));
  Sandbox seen = view_->observe("uid-1")[0];
  EXPECT_EQ(seen.id, claimed->id);
  EXPECT_EQ(seen.app, "web");
  EXPECT_EQ(seen.generation, 1);
  EXPECT_EQ(seen.template_name, kTemplate);
  EXPECT_FALSE(seen.exposed);
  EXPECT_EQ(seen.address, "");

  cluster_.hold(false);
  ASSERT_TRUE(until([&] { return pool_->observe("uid-1")[0].phase == SandboxPhase::bound; }));
  ASSERT_TRUE(pool_->inject(claimed->id, {"listen", "", {}}));
  ASSERT_TRUE(until([&] { return pool_->observe("uid-1")[0].phase == SandboxPhase::listening; }));
  EXPECT_EQ(view_->observe("uid-1")[0].phase, SandboxPhase::bound);
  ASSERT_TRUE(pool_->expose(request_.label, claimed->id));
  EXPECT_TRUE(until([&] { return view_->observe("uid-1")[0].exposed; }));
  EXPECT_EQ(view_->observe("uid-1")[0].address, pool_->observe("uid-1")[0].address);
  EXPECT_TRUE(view_->observe("uid-1")[0].address.ends_with(":9080"));
  EXPECT_EQ(view_->observe_all().size(), 1U);

  ASSERT_TRUE(pool_->release(claimed->id));
  EXPECT_TRUE(until([&] { return view_->observe("uid-1").empty(); }));
}

TEST_F(ViewTest, AsksTheAgentForLines) {
  auto claimed = pool_->claim(request_);
  ASSERT_TRUE(claimed);
  ASSERT_TRUE(until([&] { return pool_->observe("uid-1")[0].phase == SandboxPhase::bound; }));
  ASSERT_TRUE(pool_->inject(claimed->id, {"listen", "", {}}));
  ASSERT_TRUE(until([&] { return pool_->observe("uid-1")[0].phase == SandboxPhase::listening; }));
  ASSERT_TRUE(until([&] { return !view_->observe("uid-1").empty(); }));
  auto lines = view_->logs(claimed->id, {});
  ASSERT_TRUE(lines) << lines.error().message;
  auto first = (*lines)->next({}, Steady::now() + 10s);
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_TRUE(*first);
  EXPECT_EQ(view_->logs("none", {}).error().code, Errc::not_found);
}

TEST_F(ViewTest, ChangesNothing) {
  auto claimed = pool_->claim(request_);
  ASSERT_TRUE(claimed);
  ASSERT_TRUE(until([&] { return view_->observe("uid-1").size() == 1; }));
  pool_.reset();  // which would go on making spares
  int before = cluster_.count_claims();
  EXPECT_EQ(view_->claim(request_).error().code, Errc::permission_denied);
  EXPECT_EQ(view_->inject(claimed->id, {}).error().code, Errc::permission_denied);
  EXPECT_EQ(view_->expose(request_.label, claimed->id).error().code, Errc::permission_denied);
  EXPECT_EQ(view_->release(claimed->id).error().code, Errc::permission_denied);
  EXPECT_EQ(cluster_.count_claims(), before);
}

}  // namespace
}  // namespace vibed::claims
