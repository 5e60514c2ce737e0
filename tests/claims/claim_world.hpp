// A pool of claims on a fake cluster, for the tests that drive one.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "claims/claim_pool.hpp"
#include "claims/manifests.hpp"
#include "claims/names.hpp"
#include "fake_cluster.hpp"
#include "sandbox/local_world.hpp"
#include "sandbox/pool_contract.hpp"

namespace vibed::claims {

using namespace std::chrono_literals;

inline constexpr char kSecret[] = "a secret of 32 bytes or even more";

// Its server goes away after some bytes.
class BreakingSource final : public ByteSource {
 public:
  Result<std::size_t> read(std::span<char> buffer) override {
    if (begun_) return Error{Errc::unavailable, "the connection broke"};
    begun_ = true;
    buffer[0] = 'x';
    return 1;
  }

 private:
  bool begun_ = false;
};

// Sources that nobody can read for a while.
class AwayStore final : public SourceStore {
 public:
  Result<StoredSource> put(const std::string& name, std::int64_t version,
                           ByteSource& bytes) override {
    return inner_->put(name, version, bytes);
  }
  Result<std::unique_ptr<ByteSource>> open(const std::string& key) override {
    if (away > 0 && away-- > 0) return Error{why_away, "nobody answers"};
    ++opened;
    if (breaks > 0 && breaks-- > 0) return std::unique_ptr<ByteSource>(new BreakingSource);
    return inner_->open(key);
  }
  Result<std::string> url(const std::string& key, std::chrono::seconds ttl) override {
    if (away > 0 && away-- > 0) return Error{why_away, "nobody answers"};
    signed_for = ttl;
    return "http://sources.example/" + key;
  }
  Status remove(const std::string& key) override { return inner_->remove(key); }
  Result<std::vector<StoredSource>> list() override { return inner_->list(); }

  std::atomic<int> away = 0;  // how many calls of open() and url() fail
  std::atomic<Errc> why_away = Errc::unavailable;
  std::atomic<int> breaks = 0;  // how many more can be opened and not be read to their end
  std::atomic<int> opened = 0;
  std::atomic<std::chrono::seconds> signed_for = {};  // of the last url()

 private:
  std::unique_ptr<SourceStore> inner_ = sandbox::make_echo_store();
};

struct ClaimWorldOptions {
  int spares = 1;
  std::chrono::seconds bind_timeout{100};
  std::chrono::milliseconds expose_timeout{10'000};
  std::chrono::seconds pull_for{0};
  int booting_most = 32;
  int spares_most = 10;
};

class ClaimWorld final : public sandbox::World {
 public:
  explicit ClaimWorld(ClaimWorldOptions wanted = {}) : wanted_(wanted) {
    cluster.add_pool("python-313", 4);
    cluster.add_pool("off", 1, "switched off for this test");
    open();
  }

  void open() {
    pool_.reset();
    ClaimPoolOptions options;
    options.space = FakeCluster::kSpace;
    options.install_secret = kSecret;
    options.spares.least = wanted_.spares;
    options.drain_time = 200ms;
    options.bind_timeout = wanted_.bind_timeout;
    options.expose_timeout = wanted_.expose_timeout;
    options.agent_port = cluster.agent_port();
    options.pull_for = wanted_.pull_for;
    options.booting_most = wanted_.booting_most;
    options.spares.most = wanted_.spares_most;
    auto opened = open_claim_pool(cluster.client(), sources, options);
    EXPECT_TRUE(opened) << opened.error().message;
    pool_ = std::move(*opened);
    EXPECT_TRUE(pool_->wait_synced({}, std::chrono::steady_clock::now() + 60s));
  }

  SandboxPool& pool() override { return *pool_; }
  std::string source(const std::string&, const std::string& way) override { return way; }
  void kill(const std::string& id) override { cluster.kill_pod(id, true); }

  void set_spares(int spares) {
    wanted_.spares = spares;
    open();
  }

  // The pool tells nobody of its spares and templates.
  static bool until(const std::function<bool()>& true_now) {
    for (int i = 0; i < 2000; ++i) {
      if (true_now()) return true;
      std::this_thread::sleep_for(20ms);
    }
    return false;
  }

  // Waits until that many spares are ready; the pool tells nobody of them.
  void wait_for_spares(int count) {
    for (int i = 0; i < 2000; ++i) {
      for (const TemplateStatus& status : pool_->templates())
        if (status.name == "python-313" && status.ready >= count) return;
      std::this_thread::sleep_for(20ms);
    }
    ADD_FAILURE() << "no spares";
  }

  FakeCluster cluster;
  AwayStore sources;

 private:
  ClaimWorldOptions wanted_;
  std::unique_ptr<ClaimPool> pool_;
};

class ClaimPoolTest : public ::testing::Test {
 protected:
  void make(ClaimWorldOptions options = {}) { world_ = std::make_unique<ClaimWorld>(options); }
  SandboxPool& pool() { return world_->pool(); }
  FakeCluster& cluster() { return world_->cluster; }

  static SandboxRequest request(std::int64_t generation = 1, const std::string& app = "web") {
    return {app, "uid-" + app, "label-" + app, generation, "python-313"};
  }

  Sandbox reach(const std::string& id, SandboxPhase phase) {
    sandbox::Watcher watcher(pool());
    return watcher.until_phase(id, {phase, SandboxPhase::failed, SandboxPhase::gone});
  }

  Sandbox listening(std::int64_t generation = 1, const std::string& way = "listen") {
    auto claimed = pool().claim(request(generation));
    EXPECT_TRUE(claimed) << claimed.error().message;
    if (!claimed) return {};
    EXPECT_EQ(reach(claimed->id, SandboxPhase::bound).phase, SandboxPhase::bound);
    EXPECT_TRUE(pool().inject(claimed->id, {way, "", {}}));
    return reach(claimed->id, SandboxPhase::listening);
  }

  std::unique_ptr<ClaimWorld> world_;
};

}  // namespace vibed::claims
