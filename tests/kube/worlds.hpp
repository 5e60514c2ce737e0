// The API servers that every promise is tested on: the fake one, and the real one where it is
// there.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>

#include "base/ids.hpp"
#include "kube/client.hpp"
#include "kube/fake_api.hpp"
#include "kube/real_api.hpp"

namespace vibed::testing {

enum class Kind { fake, real };

inline std::ostream& operator<<(std::ostream& out, Kind kind) {
  return out << (kind == Kind::fake ? "fake" : "real");
}

// Named Fake and Real, so that a filter tells them apart.
inline std::string name_of(const ::testing::TestParamInfo<Kind>& info) {
  return info.param == Kind::fake ? "Fake" : "Real";
}

// Each test has a namespace of its own. The tests of the real server are skipped without it.
class KubeTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam() == Kind::fake) {
      fake_ = std::make_unique<FakeApi>();
    } else {
      std::string why;
      real_ = RealApi::instance(why);
      if (real_ == nullptr) GTEST_SKIP() << why;
    }
    client_ = open();
    if (real_ != nullptr) {
      auto made = client_->create(kube::namespaces(), {{"metadata", {{"name", space_}}}});
      ASSERT_TRUE(made) << made.error().message;
    }
  }

  kube::Access access() const { return fake_ != nullptr ? fake_->access() : real_->access(); }

  std::unique_ptr<kube::Client> open() const {
    auto client = kube::open_client(access(), {.name = "vibed-test"});
    EXPECT_TRUE(client) << client.error().message;
    return std::move(*client);
  }

  kube::Json config_map(const std::string& name, const std::string& value = "1") const {
    return {{"apiVersion", "v1"},
            {"kind", "ConfigMap"},
            {"metadata", {{"name", name}, {"namespace", space_}}},
            {"data", {{"value", value}}}};
  }

  const std::string space_ = "t-" + random_hex(4);
  std::unique_ptr<FakeApi> fake_;
  RealApi* real_ = nullptr;
  std::unique_ptr<kube::Client> client_;
};

}  // namespace vibed::testing
