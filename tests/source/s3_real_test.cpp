// The store in a bucket of a real S3 server.
#include <gtest/gtest.h>

#include <functional>
#include <latch>
#include <thread>
#include <utility>

#include "aws/s3_client.hpp"
#include "base/ids.hpp"
#include "fetch/fetch.hpp"
#include "http/download.hpp"
#include "source/real_s3.hpp"
#include "source/s3_object.hpp"
#include "source/s3_source_store.hpp"
#include "support/small_disk.hpp"

namespace vibed {
namespace {

using namespace std::chrono_literals;
using testing::RealS3;

constexpr std::size_t kMiB = 1024 * 1024;

class RealS3Store : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    server_ = RealS3::instance(why);
    if (server_ == nullptr) GTEST_SKIP() << why;
    options_ = server_->make_bucket();
  }

  std::unique_ptr<SourceStore> open(const S3Tuning& tuning = {}) {
    auto opened = open_s3_source_store(options_, tuning);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }

  static Result<StoredSource> put(SourceStore& store, const std::string& bytes) {
    auto source = make_memory_source(bytes);
    return store.put("app", 1, *source);
  }

  // As the agent in a sandbox pulls it.
  static Result<fetch::Response> pull(const std::string& url) {
    return fetch::make_client()->send({.url = url});
  }

  std::unique_ptr<aws::S3Client> raw_client() {
    std::shared_ptr<fetch::Client> http = fetch::make_client();
    auto credentials =
        aws::make_credentials({options_.access_key, options_.secret_key, ""}, {}, {http.get()});
    auto address = aws::S3Address::make(options_.endpoint, options_.bucket, "us-east-1",
                                        aws::Addressing::path);
    return std::make_unique<aws::S3Client>(*address, aws::S3ClientOptions{}, http,
                                           std::move(credentials));
  }

  RealS3* server_ = nullptr;
  S3SourceOptions options_;
};

std::string many_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint32_t state = 1;
  for (char& c : bytes) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return bytes;
}

TEST_F(RealS3Store, ALargeSourceGoesInPartsAndIsCheckedByBothSides) {
  S3Tuning tuning;
  tuning.part_bytes = 5 * kMiB;
  auto store = open(tuning);
  const std::string bytes = many_bytes(12 * kMiB + 345);
  auto stored = put(*store, bytes);
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(stored->sha256, to_hex(sha256(bytes)));
  auto reader = store->open(stored->key);
  ASSERT_TRUE(reader) << reader.error().message;
  auto read = read_all(**reader, 100 * kMiB);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(*read == bytes);
  // With other pieces than it was written in, it is only not compared as a whole.
  EXPECT_TRUE(*read_all(**open()->open(stored->key), 100 * kMiB) == bytes);
}

TEST_F(RealS3Store, TheServerKeepsTheChecksumsWeCompareWith) {
  auto made = raw_client();
  aws::S3Client& client = *made;
  for (const std::size_t size : {std::size_t{5}, 11 * kMiB}) {
    const std::string bytes = many_bytes(size);
    auto source = make_memory_source(bytes);
    auto written = S3Writer(client, 5 * kMiB).write("object", *source);
    ASSERT_TRUE(written) << written.error().message;
    auto facts = facts_of(client, "object");
    ASSERT_TRUE(facts) << facts.error().message;
    EXPECT_EQ(facts->checksum, written->checksum) << size;
    EXPECT_EQ(facts->size, size);
    EXPECT_TRUE(client.send({.action = "x", .method = "DELETE", .key = "object"}));
  }
}

TEST_F(RealS3Store, AUrlIsGoodForItsTimeAndForNothingElse) {
  auto store = open();
  auto stored = put(*store, "hello");
  ASSERT_TRUE(stored) << stored.error().message;
  const std::string url = *store->url(stored->key, 60s);
  auto pulled = pull(url);
  ASSERT_TRUE(pulled);
  EXPECT_EQ(pulled->status, 200);
  EXPECT_EQ(pulled->body, "hello");
  std::string other = url;
  other.replace(other.find("/app.v1"), 7, "/app.v2");
  EXPECT_EQ(pull(other)->status, 403);
  const std::string brief = *store->url(stored->key, 1s);
  std::this_thread::sleep_for(2100ms);
  EXPECT_EQ(pull(brief)->status, 403) << "its life is over";
  EXPECT_EQ(pull(*store->url(stored->key, 60s))->status, 200) << "a new one is minted";
}

TEST_F(RealS3Store, TheBucketMayBeInTheHost) {
  auto by_path = open();
  options_.addressing = "host";
  auto by_host = open();
  auto stored = put(*by_host, "hello");
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(*read_all(**by_path->open(stored->key), 100), "hello");
  const std::string url = *by_host->url(stored->key, 60s);
  EXPECT_TRUE(url.starts_with("http://" + options_.bucket + ".s3.localhost:")) << url;
  EXPECT_EQ(pull(url)->body, "hello");
}

TEST_F(RealS3Store, OverTlsItIsReadByTheClientThatAgentsPullWith) {
  testing::Authority authority;
  std::string why;
  auto server = RealS3::with_tls(authority, why);
  ASSERT_NE(server, nullptr) << why;
  options_ = server->make_bucket();
  auto store = open();
  const std::string bytes = many_bytes(300'000);
  auto stored = put(*store, bytes);
  ASSERT_TRUE(stored) << stored.error().message;
  const std::string url = *store->url(stored->key, 60s);
  EXPECT_TRUE(url.starts_with("https://")) << url;
  testing::TempDir spool;
  http::DownloadOptions how{.spool_directory = spool.path(),
                            .authorities = server->authorities_file()};
  auto pulled = http::download(url, how);
  ASSERT_TRUE(pulled) << pulled.error().message;
  EXPECT_EQ(*read_all(*make_file_range_source(pulled->file.get(), 0, pulled->size), kMiB), bytes);
  ASSERT_TRUE(store->remove(stored->key));
  auto gone = http::download(url, how);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, Errc::not_found) << gone.error().message;

  S3SourceOptions stranger = options_;
  stranger.environment.clear();
  S3Tuning once;
  once.attempts = 1;
  auto unknown = open_s3_source_store(stranger, once);
  ASSERT_TRUE(unknown) << unknown.error().message;
  auto list = (*unknown)->list();
  ASSERT_FALSE(list) << "nobody vouches for the server";
  EXPECT_EQ(list.error().reason, "storage_unavailable");
  EXPECT_NE(list.error().message.find("certificate"), std::string::npos) << list.error().message;
}

TEST_F(RealS3Store, AMachineWhoseClockIsAnHourOffWorks) {
  for (const auto off : {-3600s, 3600s}) {
    S3Tuning tuning;
    tuning.now = [off] { return std::chrono::system_clock::now() + off; };
    auto store = open(tuning);
    auto stored = put(*store, "hello");
    ASSERT_TRUE(stored) << stored.error().message;
    EXPECT_EQ(*read_all(**store->open(stored->key), 100), "hello");
    EXPECT_EQ(pull(*store->url(stored->key, 60s))->status, 200);
  }
}

TEST_F(RealS3Store, WhatIsWrongIsSaid) {
  S3SourceOptions options = options_;
  options.secret_key = "wrong";
  EXPECT_EQ(open_s3_source_store(options).error().reason, "storage_credentials");
  options = options_;
  options.access_key = "nobody";
  EXPECT_EQ(open_s3_source_store(options).error().reason, "storage_credentials");
  options = options_;
  options.bucket = "absent";
  EXPECT_EQ(open_s3_source_store(options).error().reason, "storage_missing");
}

TEST_F(RealS3Store, AFullDiskBehindTheBucketIsStorageFullAndLeavesNothing) {
  testing::TempDir dir;
  const bool mounted = testing::with_small_disk(dir.path(), [&] {
    std::string why;
    auto server = RealS3::with_data(dir.path(), why);
    ASSERT_NE(server, nullptr) << why;
    options_ = server->make_bucket();
    auto store = open();
    EXPECT_TRUE(put(*store, std::string(300'000, 'x')));
    auto large = put(*store, std::string(2'000'000, 'x'));
    ASSERT_FALSE(large);
    EXPECT_EQ(large.error().reason, "storage_full") << large.error().message;
    EXPECT_EQ(store->list()->size(), 1u);
    EXPECT_TRUE(put(*store, std::string(300'000, 'y'))) << "the space is free again";
  });
  if (!mounted) GTEST_SKIP() << "only root can mount a small disk";
}

TEST_F(RealS3Store, TwoInstallationsInOneBucketDoNotSeeEachOther) {
  auto one = open();
  options_.prefix = "two/";
  auto two = open();
  auto first = put(*one, "1");
  auto second = put(*two, "2");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(one->list()->size(), 1u);
  EXPECT_EQ(two->list()->size(), 1u);
  EXPECT_EQ(two->open(first->key).error().code, Errc::not_found);
}

TEST_F(RealS3Store, AListHasManyPages) {
  auto store = open();
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(put(*store, "x"));
  EXPECT_EQ(store->list()->size(), 7u);
}

// Gives `size` bytes and then breaks.
class BreakingSource final : public ByteSource {
 public:
  explicit BreakingSource(std::size_t size) : left_(size) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    if (left_ == 0) return Error{Errc::cancelled, "the client is gone"};
    const std::size_t count = std::min(left_, buffer.size());
    std::fill_n(buffer.begin(), count, 'x');
    left_ -= count;
    return count;
  }

 private:
  std::size_t left_;
};

// Calls `then` once, when it has given `when` bytes.
class TellingSource final : public ByteSource {
 public:
  TellingSource(const std::string& bytes, std::size_t when, std::function<void()> then)
      : bytes_(make_memory_source(bytes)), when_(when), then_(std::move(then)) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    if (given_ >= when_ && then_) std::exchange(then_, nullptr)();
    auto count = bytes_->read(buffer);
    if (count) given_ += *count;
    return count;
  }

 private:
  const std::unique_ptr<ByteSource> bytes_;
  const std::size_t when_;
  std::function<void()> then_;
  std::size_t given_ = 0;
};

TEST_F(RealS3Store, AServerThatIsKilledAmongThePartsIsWaitedFor) {
  testing::TempDir dir;
  std::string why;
  auto server = RealS3::with_data(dir.path(), why);
  ASSERT_NE(server, nullptr) << why;
  options_ = server->make_bucket();
  S3Tuning tuning;
  tuning.part_bytes = 5 * kMiB;
  auto store = open(tuning);
  auto first = put(*store, "before");
  ASSERT_TRUE(first) << first.error().message;
  const std::string bytes = many_bytes(17 * kMiB);
  std::latch done(1);
  std::thread again;
  TellingSource source(bytes, 11 * kMiB, [&] {
    server->kill();
    again = std::thread([&] {
      std::this_thread::sleep_for(500ms);
      EXPECT_EQ(server->start(), "");
      done.wait();  // the server ends with the thread that started it
    });
  });
  auto stored = store->put("app", 2, source);
  EXPECT_TRUE(stored) << stored.error().message;
  if (stored) {
    auto reader = store->open(stored->key);
    ASSERT_TRUE(reader) << reader.error().message;
    EXPECT_TRUE(*read_all(**reader, 100 * kMiB) == bytes);
  }
  EXPECT_EQ(*read_all(**store->open(first->key), 100), "before");
  done.count_down();
  if (again.joinable()) again.join();
}

TEST_F(RealS3Store, AnUploadThatBreaksAmongItsPartsLeavesNothing) {
  S3Tuning tuning;
  tuning.part_bytes = 5 * kMiB;
  auto store = open(tuning);
  BreakingSource source(12 * kMiB);
  auto stored = store->put("app", 1, source);
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, Errc::cancelled);
  EXPECT_TRUE(store->list()->empty());
  auto made = raw_client();
  aws::S3Client& client = *made;
  auto uploads = client.send({.action = "x", .query = {{"uploads", ""}}});
  ASSERT_TRUE(uploads);
  EXPECT_TRUE(aws::parse_upload_page(uploads->body)->uploads.empty());

  // A writer that was killed ends nothing: the next opening does, once the upload is old enough.
  auto begun = client.send({.action = "x",
                            .method = "POST",
                            .key = "app.v1.00112233445566778899aabbccddeeff.tar.gz",
                            .query = {{"uploads", ""}}});
  ASSERT_TRUE(begun);
  auto left = [&] {
    auto answer = client.send({.action = "x", .query = {{"uploads", ""}}});
    return aws::parse_upload_page(answer->body)->uploads.size();
  };
  (void)open();
  EXPECT_EQ(left(), 1u);
  tuning.stale_upload = -5s;
  (void)open(tuning);
  EXPECT_EQ(left(), 0u);
}

}  // namespace
}  // namespace vibed
