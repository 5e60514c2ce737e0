// What every SourceStore promises. A new backend is one more line at the bottom.
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <thread>

#include "base/ids.hpp"
#include "source/real_s3.hpp"
#include "support/temp_dir.hpp"
#include "vibed/source_store.hpp"

namespace vibed {
namespace {

struct Backend {
  std::string name;
  std::function<std::unique_ptr<SourceStore>(const testing::TempDir& scratch)> make;
  friend std::ostream& operator<<(std::ostream& out, const Backend& b) { return out << b.name; }
};

// Gives some bytes and then breaks, as an upload whose client is gone.
class BrokenSource final : public ByteSource {
 public:
  Result<std::size_t> read(std::span<char> buffer) override {
    if (given_++ == 3) return Error{Errc::cancelled, "the client is gone"};
    std::fill(buffer.begin(), buffer.end(), 'x');
    return buffer.size();
  }

 private:
  int given_ = 0;
};

class SourceStoreContract : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (store_ == nullptr) GTEST_SKIP() << "no versitygw in the cache: scripts/parts s3 builds it";
  }

  Result<StoredSource> put(const std::string& bytes, const std::string& app = "app",
                           std::int64_t version = 1) {
    auto source = make_memory_source(bytes);
    return store_->put(app, version, *source);
  }

  std::string get(const std::string& key) {
    auto opened = store_->open(key);
    if (!opened) return "error: " + opened.error().message;
    auto bytes = read_all(**opened, std::size_t{1} << 30);
    return bytes ? *bytes : "error: " + bytes.error().message;
  }

  testing::TempDir scratch_;
  std::unique_ptr<SourceStore> store_ = GetParam().make(scratch_);
};

TEST_P(SourceStoreContract, WhatWasPutIsReadBackWithItsSizeAndHash) {
  std::string bytes = "some bytes";
  bytes += '\0';
  for (int i = 0; i < 300'000; ++i) bytes += static_cast<char>(i * 7);
  auto stored = put(bytes);
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(stored->size, bytes.size());
  EXPECT_EQ(stored->sha256, to_hex(sha256(bytes)));
  EXPECT_EQ(get(stored->key), bytes);
  EXPECT_EQ(get(stored->key), bytes) << "and again";
  EXPECT_LT(std::chrono::system_clock::now() - stored->stored_at, std::chrono::minutes(1));
}

TEST_P(SourceStoreContract, AnEmptySourceIsASource) {
  auto stored = put("");
  ASSERT_TRUE(stored);
  EXPECT_EQ(get(stored->key), "");
  EXPECT_EQ(stored->sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_P(SourceStoreContract, KeysNameAppAndVersionAndAreNeverTheSame) {
  auto one = put("a", "my-app", 12);
  auto two = put("a", "my-app", 12);
  EXPECT_EQ(one->key.substr(0, 11), "my-app.v12.");
  EXPECT_TRUE(is_source_key(one->key));
  EXPECT_NE(one->key, two->key);
}

TEST_P(SourceStoreContract, WhatCannotNameASourceIsRefused) {
  for (const char* app : {"", "../x", "A", "a.b", "a/b", "-a"}) {
    EXPECT_EQ(put("x", app).error().code, Errc::invalid_argument) << app;
  }
  EXPECT_EQ(put("x", "a", 0).error().code, Errc::invalid_argument);
  EXPECT_EQ(put("x", "a", -1).error().code, Errc::invalid_argument);
  EXPECT_TRUE(store_->list()->empty());
}

TEST_P(SourceStoreContract, AnUnknownKeyIsNotFoundAndNoMessageNamesIt) {
  std::string key = "app.v1.00112233445566778899aabbccddeeff";
  auto missing = store_->open(key);
  EXPECT_EQ(missing.error().code, Errc::not_found);
  EXPECT_EQ(missing.error().message.find("0011"), std::string::npos);
  EXPECT_EQ(store_->open("../../etc/passwd").error().code, Errc::not_found);
  EXPECT_EQ(store_->open("").error().code, Errc::not_found);
}

TEST_P(SourceStoreContract, ForgettingIsIdempotentAndDoesNotDisturbAReader) {
  auto stored = put("hello");
  auto reader = store_->open(stored->key);
  ASSERT_TRUE(store_->remove(stored->key));
  ASSERT_TRUE(store_->remove(stored->key));
  ASSERT_TRUE(store_->remove("../x"));
  EXPECT_EQ(store_->open(stored->key).error().code, Errc::not_found);
  EXPECT_EQ(*read_all(**reader, 100), "hello");
  EXPECT_TRUE(store_->list()->empty());
}

TEST_P(SourceStoreContract, AListIsSortedByKeyAndHasSizesAndTimes) {
  auto b = put("bb", "b");
  auto a = put("a", "a");
  auto all = store_->list();
  ASSERT_TRUE(all);
  a->sha256 = b->sha256 = "";
  EXPECT_EQ(*all, (std::vector<StoredSource>{*a, *b}));
}

TEST_P(SourceStoreContract, AnUploadThatBreaksLeavesNothing) {
  BrokenSource broken;
  auto stored = store_->put("app", 1, broken);
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, Errc::cancelled);
  EXPECT_TRUE(store_->list()->empty());
}

TEST_P(SourceStoreContract, EqualSourcesMayBePutFromManyThreads) {
  std::string bytes(100'000, 'x');
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 8; ++i) {
        auto stored = put(bytes);
        EXPECT_TRUE(stored && get(stored->key) == bytes);
        EXPECT_TRUE(store_->list());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store_->list()->size(), 32u);
}

// In a bucket of its own; null where there is no server.
std::unique_ptr<SourceStore> s3_store() {
  std::string why;
  testing::RealS3* server = testing::RealS3::instance(why);
  if (server == nullptr) return nullptr;
  auto opened = open_s3_source_store(server->make_bucket());
  EXPECT_TRUE(opened) << opened.error().message;
  return std::move(*opened);
}

INSTANTIATE_TEST_SUITE_P(
    Backends, SourceStoreContract,
    ::testing::Values(Backend{"memory", [](auto&) { return make_memory_source_store(); }},
                      Backend{"served",
                              [](auto& scratch) {
                                auto opened = open_served_source_store(scratch / "sources", "");
                                EXPECT_TRUE(opened) << opened.error().message;
                                return std::move(*opened);
                              }},
                      Backend{"s3", [](auto&) { return s3_store(); }}),
    [](const auto& backend) { return backend.param.name; });

TEST(SourceKey, HasOneForm) {
  std::string secret = "00112233445566778899aabbccddeeff";
  for (const std::string& good : {"a.v1." + secret, "my-app.v999." + secret}) {
    EXPECT_TRUE(is_source_key(good)) << good;
  }
  for (const std::string& bad : {std::string(),
                                 std::string("a"),
                                 std::string("a.v1"),
                                 std::string("a.v1."),
                                 secret,
                                 "a.v0." + secret,
                                 "a.v01." + secret,
                                 "a.1." + secret,
                                 "a.v." + secret,
                                 "A.v1." + secret,
                                 "../a.v1." + secret,
                                 "a/b.v1." + secret,
                                 "a.v1." + secret + "0",
                                 "a.v1." + secret.substr(1),
                                 std::string("a.v1.00112233445566778899AABBCCDDEEFF"),
                                 "a.v1." + secret + ".tar.gz",
                                 "-a.v1." + secret,
                                 std::string(64, 'a') + ".v1." + secret,
                                 "a.v1.\n" + secret.substr(1),
                                 "a.v99999999999999999999." + secret}) {
    EXPECT_FALSE(is_source_key(bad)) << bad;
  }
}

}  // namespace
}  // namespace vibed
