// The races of the spare buffer: two processes take and make spares at once, on a cluster that
// loses answers, refuses, tells late, twice or nothing, and kills each of them between any two of
// its writes. VIBED_MODEL_RUNS sets how many worlds there are, VIBED_MODEL_SEED the first one's
// seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "claims/claim_pool.hpp"
#include "claims/names.hpp"
#include "control/fenced_client.hpp"
#include "kube/fake_api.hpp"
#include "sandbox/local_world.hpp"

namespace vibed::claims {
namespace {

using namespace std::chrono_literals;
using kube::Json;
using testing::Fault;
using Steady = std::chrono::steady_clock;

constexpr char kSpace[] = "apps";
constexpr char kTemplate[] = "python-313";
constexpr int kApps = 6;
constexpr int kMostSpares = 4;
constexpr auto kChaos = 3000ms;

class Dice {
 public:
  explicit Dice(unsigned seed) : engine_(seed) {}
  int roll(int sides) {
    std::lock_guard lock(mutex_);
    return std::uniform_int_distribution<int>(0, sides - 1)(engine_);
  }
  bool one_in(int sides) { return roll(sides) == 0; }

 private:
  std::mutex mutex_;
  std::mt19937 engine_;
};

// agent-sandbox, as far as claims go: binds each after a while, and writes to them at other times.
class Binder {
 public:
  Binder(testing::FakeApi& api, Dice& dice)
      : client_(std::move(*kube::open_client(api.access(), {.name = "binder"}))),
        dice_(dice),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}

 private:
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      auto claims = client_->list(sandbox_claims(), {.space = kSpace, .call = {.stop = stop}});
      if (claims)
        for (const Json& claim : claims->items) touch(claim);
      std::this_thread::sleep_for(std::chrono::milliseconds(dice_.roll(10)));
    }
  }

  void touch(const Json& claim) {
    const kube::ObjectKey key = kube::key_of(claim);
    if (kube::text_at(claim, {"status", "sandbox", "name"}).empty()) {
      const Json ready = {{"type", "Ready"}, {"status", "True"}, {"reason", "DependenciesReady"}};
      const Json status = {{"sandbox", {{"name", "pod-" + key.name}, {"podIPs", {"127.88.0.1"}}}},
                           {"conditions", {ready}}};
      (void)client_->patch(sandbox_claims(), key, kube::PatchType::merge, {{"status", status}},
                           {.subresource = "status", .call = {.attempts = 1}});
    } else if (dice_.one_in(20)) {
      const Json note = {{"annotations", {{"touched", std::to_string(dice_.roll(1000))}}}};
      (void)client_->patch(sandbox_claims(), key, kube::PatchType::merge, {{"metadata", note}},
                           {.call = {.attempts = 1}});
    }
  }

  std::unique_ptr<kube::Client> client_;
  Dice& dice_;
  std::jthread thread_;
};

// One process, which ends before the write that is one too many for it.
class Life {
 public:
  Life(testing::FakeApi& api, SourceStore& sources, int writes, int booting_most)
      : writes_left_(writes), client_(std::move(*kube::open_client(api.access()))) {
    mortal_ = control::make_fenced_client(
        *client_, {.leads = [this] { return may_write(); }, .lost = dead_.get_token()});
    ClaimPoolOptions options;
    options.space = kSpace;
    options.install_secret = "a secret of 32 bytes or even more";
    options.spares.least = 2;
    options.spares.most = kMostSpares;
    options.booting_most = booting_most;
    options.agent_port = 1;  // nobody listens there: nothing is injected here
    options.validate = false;
    pool_ = std::move(*open_claim_pool(*mortal_, sources, options));
  }

  ClaimPool& pool() { return *pool_; }
  bool is_over() const { return dead_.stop_requested(); }

 private:
  bool may_write() {
    if (writes_left_.fetch_sub(1) > 0) return true;
    dead_.request_stop();
    return false;
  }

  std::atomic<int> writes_left_;
  std::stop_source dead_;
  std::unique_ptr<kube::Client> client_;
  std::unique_ptr<kube::Client> mortal_;
  std::unique_ptr<ClaimPool> pool_;
};

class World {
 public:
  explicit World(unsigned seed) : dice_(seed) {
    api_.create(
        sandbox_warm_pools(),
        {{"apiVersion", sandbox_warm_pools().api_version()},
         {"kind", sandbox_warm_pools().kind},
         {"metadata",
          {{"name", kTemplate}, {"namespace", kSpace}, {"labels", {{kTemplateLabel, kTemplate}}}}},
         {"spec", {{"replicas", kMostSpares}}}});
    api_.before_each([this](const http::Request& request) {
      if (request.method == "PATCH") {
        std::lock_guard lock(mutex_);
        patches_[request.path.substr(request.path.rfind('/') + 1)] += request.body + "\n";
      }
      if (request.method == "POST") {
        const Json made = Json::parse(request.body, nullptr, false);
        std::lock_guard lock(mutex_);
        ++posts_[kube::text_at(made, {"metadata", "name"})];
      }
      if (!chaos_) return;
      const bool watch = request.target.find("watch=true") != std::string::npos;
      std::this_thread::sleep_for(std::chrono::milliseconds(dice_.roll(watch ? 60 : 4)));
    });
    binder_ = std::make_unique<Binder>(api_, dice_);
  }

  void run() {
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 2; ++i) threads.emplace_back([this] { live(); });
      threads.emplace_back([this] { trouble(); });
      std::this_thread::sleep_for(kChaos);
      chaos_ = false;
      api_.heal();
    }
    const auto from = Steady::now();
    check_owners("in the end");
    converge();
    const std::chrono::duration<double> took = Steady::now() - from;
    std::printf("%d processes, %zu claims, %d of them spares; converged in %.1f s\n", lives_.load(),
                owners_.size(), spares_taken(), took.count());
    check_owners("after all");
  }

 private:
  static SandboxRequest request(int app, std::int64_t generation) {
    const std::string name = "app-" + std::to_string(app);
    return {name, "uid-" + name, "label-" + name, generation, kTemplate};
  }

  // One process after another.
  void live() {
    while (chaos_) {
      // Some let so few boot at once that others stand in line.
      Life life(api_, *sources_, 1 + dice_.roll(60), dice_.one_in(2) ? 1 : kApps);
      ++lives_;
      (void)life.pool().wait_synced({}, Steady::now() + 300ms);
      while (chaos_ && !life.is_over()) act(life.pool());
    }
  }

  void act(ClaimPool& pool) {
    const int app = dice_.roll(kApps);
    if (dice_.one_in(2)) ++generations_[static_cast<std::size_t>(app)];
    const auto wanted = request(app, generations_[static_cast<std::size_t>(app)]);
    auto claimed = pool.claim(wanted);
    if (claimed) note(claimed->id, wanted.app);
    if (dice_.one_in(2))
      for (const Sandbox& sandbox : pool.observe(wanted.app_uid))
        if (sandbox.generation < wanted.generation) (void)pool.release(sandbox.id);
    std::this_thread::sleep_for(std::chrono::milliseconds(dice_.roll(8)));
  }

  void trouble() {
    using What = Fault::What;
    const Fault kinds[] = {{.what = What::refuse, .method = "PATCH", .path = "sandboxclaims"},
                           {.what = What::refuse,
                            .method = "PATCH",
                            .path = "sandboxclaims",
                            .refusal = {409, "Conflict", "somebody was faster", {}}},
                           {.what = What::lose_answer, .method = "PATCH", .path = "sandboxclaims"},
                           {.what = What::lose_answer, .method = "POST", .path = "sandboxclaims"},
                           {.what = What::lose_answer, .method = "DELETE", .path = "sandboxclaims"},
                           {.what = What::drop, .method = "POST", .path = "sandboxclaims"},
                           {.what = What::cut_event, .path = "watch=true"},
                           {.what = What::twice, .path = "watch=true"},
                           {.what = What::swapped, .path = "watch=true"},
                           {.what = What::expired_event, .path = "watch=true"}};
    while (chaos_) {
      api_.inject(kinds[dice_.roll(static_cast<int>(std::size(kinds)))]);
      if (dice_.one_in(4)) api_.end_watches();
      if (dice_.one_in(12)) api_.expire();
      // Not so many that clients only wait to try again.
      std::this_thread::sleep_for(std::chrono::milliseconds(dice_.roll(150)));
    }
  }

  // A sandbox that one app was told to have is never told to another.
  void note(const std::string& id, const std::string& app) {
    std::lock_guard lock(mutex_);
    // Its creation was repeated because an answer was lost: perhaps after the first of that name
    // had come, been used and gone.
    if (posts_[id] > 1) return;
    auto [at, fresh] = owners_.emplace(id, app);
    EXPECT_EQ(at->second, app) << "two apps have " << id << ", to which was sent:\n"
                               << patches_[id];
  }

  int spares_taken() {
    return static_cast<int>(std::count_if(owners_.begin(), owners_.end(), [](const auto& owner) {
      return owner.first.starts_with("spare-");
    }));
  }

  std::vector<Claim> claims() {
    auto client = std::move(*kube::open_client(api_.access()));
    auto list = client->list(sandbox_claims(), {.space = kSpace});
    EXPECT_TRUE(list) << list.error().message;
    std::vector<Claim> result;
    if (list)
      for (const Json& claim : list->items) result.push_back(read_claim(claim));
    return result;
  }

  // What is in the cluster is what was told, and ends by itself only if it is nobody's.
  void check_owners(const std::string& when) {
    for (const Claim& claim : claims()) {
      EXPECT_NE(claim.spare, claim.assigned()) << claim.name << " " << when;
      EXPECT_EQ(claim.spare, claim.shutdown != Time{}) << claim.name << " " << when;
      std::lock_guard lock(mutex_);
      auto at = owners_.find(claim.name);
      if (at == owners_.end() || posts_[claim.name] > 1) continue;
      EXPECT_EQ(claim.app, at->second) << claim.name << " was taken away " << when;
    }
  }

  // The last process does what the lifecycle would: one sandbox for each app, the rest released.
  // Then nothing is left but these and a full buffer.
  void converge() {
    Life last(api_, *sources_, 100'000, 2);
    ASSERT_TRUE(last.pool().wait_synced({}, Steady::now() + 30s));
    const auto end = Steady::now() + 30s;
    std::string why;
    do {
      why = settle(last.pool());
      if (!why.empty()) std::this_thread::sleep_for(50ms);
    } while (!why.empty() && Steady::now() < end);
    EXPECT_EQ(why, "");
  }

  std::string settle(ClaimPool& pool) {
    for (int app = 0; app < kApps; ++app) {
      const auto wanted = request(app, generations_[static_cast<std::size_t>(app)]);
      auto claimed = pool.claim(wanted);
      if (!claimed) return wanted.app + ": " + claimed.error().message;
      note(claimed->id, wanted.app);
      for (const Sandbox& sandbox : pool.observe(wanted.app_uid))
        if (sandbox.id != claimed->id) (void)pool.release(sandbox.id);
    }
    std::map<std::string, int> assigned;
    int spares = 0;
    for (const Claim& claim : claims()) ++(claim.spare ? spares : assigned[claim.app]);
    for (const auto& [app, count] : assigned)
      if (count != 1) return app + " has " + std::to_string(count) + " claims";
    if (assigned.size() != kApps) return std::to_string(assigned.size()) + " apps have claims";
    if (spares < 2 || spares > kMostSpares) return std::to_string(spares) + " spares";
    return "";
  }

  testing::FakeApi api_;
  Dice dice_;
  std::unique_ptr<SourceStore> sources_ = sandbox::make_echo_store();
  std::atomic<bool> chaos_ = true;
  std::array<std::atomic<std::int64_t>, kApps> generations_ = {1, 1, 1, 1, 1, 1};
  std::mutex mutex_;
  std::map<std::string, std::string> owners_;   // claim → app, as told; guarded by mutex_
  std::map<std::string, int> posts_;            // by name; the same
  std::map<std::string, std::string> patches_;  // by claim, for messages; the same
  std::atomic<int> lives_ = 0;
  std::unique_ptr<Binder> binder_;
};

unsigned number_from(const char* variable, unsigned otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

TEST(SpareModel, NeverTwoAppsOnOneSpareAndNothingIsLeaked) {
  const unsigned first = number_from("VIBED_MODEL_SEED", 1);
  const unsigned runs = std::min(number_from("VIBED_MODEL_RUNS", 4), 200U);
  for (unsigned seed = first; seed < first + runs && !HasFailure(); ++seed) {
    SCOPED_TRACE("VIBED_MODEL_SEED=" + std::to_string(seed));
    World(seed).run();
  }
}

}  // namespace
}  // namespace vibed::claims
