// The pools of one machine keep what every SandboxPool promises.
#include <gtest/gtest.h>
#include <signal.h>

#include "local_world.hpp"
#include "pool_contract.hpp"
#include "sandbox/memory_pool.hpp"

namespace vibed::sandbox {
namespace {

class MemoryWorld final : public World {
 public:
  SandboxPool& pool() override { return *pool_; }
  std::string source(const std::string& app, const std::string& way) override {
    Behaviour behaviour;
    if (way == "fail") behaviour.kind = Behaviour::Kind::failed;
    if (way == "silent") behaviour.kind = Behaviour::Kind::never;
    pool_->script(app, behaviour);
    return "key";
  }
  void kill(const std::string& id) override { pool_->kill(id); }

 private:
  std::unique_ptr<MemoryPool> pool_ = [] {
    MemoryPoolOptions options;
    TemplateStatus off;
    off.name = "off";
    options.templates = {off};
    off.name = "python-313";
    off.available = true;
    options.templates.push_back(off);
    return make_memory_sandbox_pool(options);
  }();
};

// Asked once: the answer costs a sandbox.
std::string why_not() {
  static const std::string why = why_no_sandboxes();
  return why;
}

class RealWorld final : public World {
 public:
  RealWorld() {
    Template off = plain_template("off", 1);
    off.available = false;
    world_.base.templates.push_back(off);
    world_.pool->stop(false);
    world_.open();
  }
  SandboxPool& pool() override { return *world_.pool; }
  std::string source(const std::string&, const std::string& way) override { return way; }
  void kill(const std::string& id) override {
    std::string state = world_.state(id);
    std::size_t at = state.find("\"pid\": ");
    ASSERT_NE(at, std::string::npos) << state;
    ::kill(std::stoi(state.substr(at + 7)), SIGKILL);
  }

 private:
  LocalWorld world_;
};

INSTANTIATE_TEST_SUITE_P(
    Backends, SandboxPoolContract,
    ::testing::Values(Backend{"memory", [] { return std::make_unique<MemoryWorld>(); }},
                      Backend{"local", [] { return std::make_unique<RealWorld>(); }, why_not}),
    [](const auto& backend) { return backend.param.name; });

}  // namespace
}  // namespace vibed::sandbox
