// What every SandboxPool promises: the suite, for any program of tests that has pools to try it on.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "vibed/sandbox_pool.hpp"
#include "watcher.hpp"

namespace vibed::sandbox {

// One pool and how to make things happen in it.
class World {
 public:
  virtual ~World() = default;
  virtual SandboxPool& pool() = 0;
  // A source that makes `app` behave that way: listen, fail, silent.
  virtual std::string source(const std::string& app, const std::string& way) = 0;
  virtual void kill(const std::string& id) = 0;
};

struct Backend {
  std::string name;
  std::function<std::unique_ptr<World>()> make;
  // Why there can be none here; empty: there can.
  std::function<std::string()> why_not = [] { return std::string(); };
  friend std::ostream& operator<<(std::ostream& out, const Backend& b) { return out << b.name; }
};

class SandboxPoolContract : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (std::string why = GetParam().why_not(); !why.empty()) GTEST_SKIP() << why;
    world_ = GetParam().make();
  }

  SandboxPool& pool() { return world_->pool(); }

  static SandboxRequest request(std::int64_t generation, const std::string& app = "web") {
    return {app, "uid-" + app, "label-" + app, generation, "python-313"};
  }

  // A sandbox in which the app of that generation listens.
  Sandbox listening(std::int64_t generation) {
    auto claimed = pool().claim(request(generation));
    EXPECT_TRUE(claimed);
    if (!claimed) return {};
    Watcher watcher(pool());
    watcher.until_phase(claimed->id, {SandboxPhase::bound, SandboxPhase::failed});
    EXPECT_TRUE(pool().inject(claimed->id, {world_->source("web", "listen"), "", {}}));
    return watcher.until_phase(claimed->id, {SandboxPhase::listening, SandboxPhase::failed});
  }

  Sandbox bound(std::int64_t generation, const std::string& app = "web") {
    auto claimed = pool().claim(request(generation, app));
    EXPECT_TRUE(claimed);
    if (!claimed) return {};
    Watcher watcher(pool());
    return watcher.until_phase(claimed->id, {SandboxPhase::bound, SandboxPhase::failed});
  }

  std::unique_ptr<World> world_;
};

}  // namespace vibed::sandbox
