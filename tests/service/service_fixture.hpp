// A Service over memory stores, a scripted pool and the real lifecycle.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "base/files.hpp"
#include "lifecycle/loop.hpp"
#include "sandbox/memory_pool.hpp"
#include "service/service.hpp"
#include "support/temp_dir.hpp"

namespace vibed {

using Files = std::map<std::string, std::string>;  // name → text

// A folder's files as an archive a service takes.
class TestArchive {
 public:
  explicit TestArchive(const Files& files) {
    testing::TempDir dir;
    for (const auto& [name, text] : files) {
      EXPECT_TRUE(write_file(dir / name, text, Durability::unsynced));
    }
    auto sink = [this](std::string_view piece) {
      bytes_ += piece;
      return success();
    };
    auto packed = pack_directory(dir.path(), sink);
    EXPECT_TRUE(packed) << packed.error().message;
  }

  static TestArchive of_bytes(std::string bytes) {
    TestArchive made;
    made.bytes_ = std::move(bytes);
    return made;
  }

  Service::Archive archive() const {
    return {[this]() -> Result<std::unique_ptr<ByteSource>> { return make_memory_source(bytes_); },
            bytes_.size()};
  }

 private:
  TestArchive() = default;
  std::string bytes_;
};

inline TestArchive node_app(const std::string& text = "1") {
  return TestArchive(
      Files{{"package.json", R"({"dependencies":{"express":"4"}})"}, {"server.js", text}});
}

class ServiceFixture : public ::testing::Test {
 protected:
  using Behaviour = sandbox::Behaviour;

  static sandbox::MemoryPoolOptions pool_options() {
    auto status = [](const char* name, const char* lane, bool available) {
      TemplateStatus made;
      made.name = name;
      made.lane = lane;
      made.available = available;
      if (!available) made.message = "no such program: go";
      return made;
    };
    sandbox::MemoryPoolOptions options;
    options.templates = {status("node-24", "general", true), status("static-nginx", "fast", true),
                         status("go-123", "general", false)};
    return options;
  }

  Service& service(ServiceOptions options = {}) {
    if (!service_) {
      service_ = std::make_unique<Service>(*apps_, *sources_, *pool_, "vibed-apps", options);
    }
    return *service_;
  }

  void start_lifecycle() { lifecycle_ = lifecycle::Lifecycle::start(*apps_, *pool_, {}); }

  static DeployMetadata named(const std::string& name) {
    DeployMetadata metadata;
    metadata.name = name;
    return metadata;
  }

  Result<DeployOutcome> deploy(const std::string& name, const std::string& text = "1") {
    return service().deploy(admin_, named(name), node_app(text).archive(), {});
  }

  static Behaviour behaviour(Behaviour::Kind kind) {
    Behaviour made;
    made.kind = kind;
    return made;
  }

  void expect_nothing_stored() {
    EXPECT_TRUE(sources_->list()->empty());
    EXPECT_EQ(apps_->list("", 0, 0)->total, 0);
    EXPECT_TRUE(pool_->alive().empty());
  }

  const Caller admin_ = {};
  const Caller anna_ = {"anna", false};
  const Caller bob_ = {"bob", false};
  std::unique_ptr<AppStore> apps_ = make_memory_app_store("vibed-apps");
  std::unique_ptr<SourceStore> sources_ = make_memory_source_store();
  std::unique_ptr<sandbox::MemoryPool> pool_ = sandbox::make_memory_sandbox_pool(pool_options());
  std::unique_ptr<lifecycle::Lifecycle> lifecycle_;
  std::unique_ptr<Service> service_;
};

}  // namespace vibed
