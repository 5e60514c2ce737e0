// The store in a bucket: what it sends and reads when answers break, against a double that breaks
// them.
#include "source/s3_source_store.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "source/s3_world.hpp"

namespace vibed::testing {
namespace {

using namespace std::chrono_literals;
using Log = std::vector<std::string>;

TEST(S3SourceStore, ASmallSourceIsOnePutAndOneLook) {
  S3Double s3;
  auto store = open(s3.options());
  auto stored = put(*store, "hello");
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(s3.log(), (Log{"PUT", "HEAD"}));
  EXPECT_EQ(s3.objects(), (std::map<std::string, std::string>{{stored->key + ".tar.gz", "hello"}}));
  EXPECT_EQ(get(*store, stored->key), "hello");
  EXPECT_EQ(stored->stored_at, parse_rfc3339("2026-11-23T01:00:00Z"));
}

TEST(S3SourceStore, ALargeOneGoesInPartsAndComesInPieces) {
  for (const std::size_t size : {kPart - 1, kPart, kPart + 1, 2 * kPart, 3 * kPart + 7}) {
    S3Double s3;
    auto store = open(s3.options());
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * 7);
    auto stored = put(*store, bytes);
    ASSERT_TRUE(stored) << size << ": " << stored.error().message;
    EXPECT_EQ(stored->size, size);
    EXPECT_EQ(stored->sha256, to_hex(sha256(bytes)));
    EXPECT_EQ(get(*store, stored->key), bytes) << size;
    EXPECT_EQ(s3.count("POST uploads"), size > kPart ? 1 : 0) << size;
    EXPECT_EQ(s3.uploads(), Log{});
  }
}

// Gives bytes, and notes how far ahead of what has arrived it was read.
class CountingSource final : public ByteSource {
 public:
  CountingSource(std::size_t size, std::function<std::size_t()> arrived)
      : size_(size), arrived_(std::move(arrived)) {}

  Result<std::size_t> read(std::span<char> buffer) override {
    const std::size_t count = std::min({buffer.size(), size_ - given_, std::size_t{100}});
    std::fill_n(buffer.begin(), count, 'x');
    given_ += count;
    most_ahead_ = std::max(most_ahead_, given_ - arrived_());
    return count;
  }
  std::size_t most_ahead() const { return most_ahead_; }

 private:
  const std::size_t size_;
  const std::function<std::size_t()> arrived_;
  std::size_t given_ = 0;
  std::size_t most_ahead_ = 0;
};

TEST(S3SourceStore, OfALargeSourceTwoPartsAreInMemory) {
  S3Double s3;
  auto store = open(s3.options());
  CountingSource source(20 * kPart, [&] {
    std::size_t parts = 0;
    while (s3.count("PUT part " + std::to_string(parts + 1)) > 0) ++parts;
    return parts * kPart;
  });
  auto stored = store->put("app", 1, source);
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(stored->size, 20 * kPart);
  EXPECT_EQ(source.most_ahead(), 2 * kPart);
}

TEST(S3SourceStore, ABusyStoreIsAskedAgain) {
  S3Double s3(first(2, "PUT", s3_failure(503, "SlowDown")));
  auto store = open(s3.options());
  EXPECT_TRUE(put(*store, "hello"));
  EXPECT_EQ(s3.log(), (Log{"PUT", "PUT", "PUT", "HEAD"}));
}

TEST(S3SourceStore, AStoreThatStaysBusyIsUnavailable) {
  S3Double s3(first(99, "PUT", s3_failure(503, "SlowDown")));
  auto store = open(s3.options());
  auto stored = put(*store, "hello");
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().reason, "storage_unavailable");
  EXPECT_EQ(s3.count("PUT"), 4);
}

TEST(S3SourceStore, RetryAfterIsWaitedFor) {
  S3Double s3(first(1, "PUT", s3_failure(429, "", "Retry-After: 1\r\n")));
  auto store = open(s3.options());
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_TRUE(put(*store, "hello"));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 1s);
}

TEST(S3SourceStore, AnAnswerThatIsLostIsLookedFor) {
  S3Double s3([](const S3Asked& asked, int number) {
    return S3Fault{.cut = asked.method == "PUT" && number == 1};
  });
  auto store = open(s3.options());
  auto stored = put(*store, "hello");
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(s3.log(), (Log{"PUT", "PUT", "HEAD"})) << "the second finds it there: 412";
  EXPECT_EQ(s3.objects().size(), 1u);
}

TEST(S3SourceStore, ACompletionThatIsLostIsLookedFor) {
  S3Double s3([](const S3Asked& asked, int number) {
    return S3Fault{.cut = asked.what() == "POST upload" && number == 1};
  });
  auto store = open(s3.options());
  auto stored = put(*store, std::string(2500, 'x'));
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(get(*store, stored->key), std::string(2500, 'x'));
}

TEST(S3SourceStore, ACompletionThatFailsLateIsAskedAgain) {
  S3Double s3(first(1, "POST upload", {ok_answer("<Error><Code>InternalError</Code></Error>")}));
  auto store = open(s3.options());
  EXPECT_TRUE(put(*store, std::string(2500, 'x')));
  EXPECT_EQ(s3.count("POST upload"), 2);
}

TEST(S3SourceStore, APartThatWasDamagedOnItsWayIsSentAgain) {
  S3Double s3(first(1, "PUT part 2", s3_failure(400, "BadDigest")));
  auto store = open(s3.options());
  EXPECT_TRUE(put(*store, std::string(2500, 'x')));
  EXPECT_EQ(s3.count("PUT part 2"), 2);
}

TEST(S3SourceStore, APartThatFailsEndsTheUpload) {
  S3Double s3(first(1, "PUT part 3", s3_failure(403, "AccessDenied")));
  auto store = open(s3.options());
  auto stored = put(*store, std::string(2500, 'x'));
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().reason, "storage_denied");
  EXPECT_EQ(s3.log().back(), "DELETE upload");
  EXPECT_EQ(s3.uploads(), Log{});
  EXPECT_TRUE(s3.objects().empty());
}

TEST(S3SourceStore, AStoreWithoutConditionsIsLearnedOnce) {
  S3Double s3([](const S3Asked& asked, int) {
    const bool conditional = !asked.header("If-None-Match").empty();
    return conditional ? S3Fault{s3_failure(501, "NotImplemented")} : S3Fault{};
  });
  auto store = open(s3.options());
  EXPECT_TRUE(put(*store, "hello"));
  EXPECT_TRUE(put(*store, "hello"));
  EXPECT_EQ(s3.count("PUT"), 3);
}

TEST(S3SourceStore, WhatTheStoreHasIsCompared) {
  const std::string head =
      "HTTP/1.1 200 X\r\nContent-Length: 5\r\nLast-Modified: Mon, 23 Nov 2026 01:00:00 GMT\r\n"
      "X-Amz-Checksum-Sha256: AAAA\r\n\r\n";
  S3Double s3(first(1, "HEAD", {head}));
  auto store = open(s3.options());
  auto stored = put(*store, "hello");
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().reason, "source_damaged");
  EXPECT_TRUE(s3.objects().empty()) << "not to be taken for the source";
}

TEST(S3SourceStore, DamageIsSeenByWhoReads) {
  for (const std::size_t size : {std::size_t{500}, std::size_t{2500}}) {
    const std::string hash = to_hex(sha256(std::string(size, 'x')));
    S3Double bad([&](const S3Asked& asked, int number) {
      const bool last = asked.what() == "GET" && number == (size > kPart ? 3 : 1);
      if (!last) return S3Fault{};
      const std::string body(size % kPart, 'y');
      const std::string from = std::to_string(size - body.size());
      return S3Fault{
          Script{"HTTP/1.1 206 X\r\nX-Amz-Meta-Sha256: " + hash + "\r\nContent-Range: bytes " +
                 from + "-" + std::to_string(size - 1) + "/" + std::to_string(size) +
                 "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body}};
    });
    auto other = open(bad.options());
    auto again = put(*other, std::string(size, 'x'));
    ASSERT_TRUE(again);
    EXPECT_EQ(get(*other, again->key), "error: source_damaged") << size;
  }
}

TEST(S3SourceStore, APieceThatBreaksIsReadAgain) {
  S3Double s3([](const S3Asked& asked, int number) {
    return S3Fault{.cut = asked.what() == "GET" && number == 2};
  });
  auto store = open(s3.options());
  auto stored = put(*store, std::string(2500, 'x'));
  EXPECT_EQ(get(*store, stored->key), std::string(2500, 'x'));
}

TEST(S3SourceStore, PiecesAreOfOneObject) {
  S3Double s3;
  auto store = open(s3.options());
  auto stored = put(*store, std::string(2500, 'x'));
  auto reader = store->open(stored->key);
  ASSERT_TRUE(reader);
  s3.put_object(stored->key + ".tar.gz", std::string(2500, 'z'));
  auto bytes = read_all(**reader, 10'000);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().reason, "source_damaged");
}

TEST(S3SourceStore, AReaderOutlivesItsStore) {
  S3Double s3;
  auto store = open(s3.options());
  auto stored = put(*store, std::string(2500, 'x'));
  auto reader = store->open(stored->key);
  store.reset();
  EXPECT_EQ(read_all(**reader, 10'000)->size(), 2500u);
}

TEST(S3SourceStore, AListGoesThroughAllPagesAndPassesOverWhatIsNotItsOwn) {
  S3Double s3;
  s3.page = 2;
  S3SourceOptions options = s3.options();
  auto store = open(options);
  options.prefix = "other/";
  auto other = open(options);
  std::vector<std::string> keys;
  for (int i = 0; i < 5; ++i) keys.push_back(put(*store, "hello")->key);
  const std::string foreign = put(*other, "theirs")->key;
  s3.put_object("README", "x");
  s3.put_object("app.v1.short.tar.gz", "x");
  std::sort(keys.begin(), keys.end());
  std::vector<std::string> listed;
  auto all = store->list();
  ASSERT_TRUE(all) << all.error().message;
  for (const StoredSource& each : *all) listed.push_back(each.key);
  EXPECT_EQ(listed, keys);
  ASSERT_EQ(other->list()->size(), 1u);
  EXPECT_EQ(other->list()->at(0).key, foreign);
  EXPECT_TRUE(s3.objects().contains("other/" + foreign + ".tar.gz"));
  EXPECT_EQ(store->open(foreign).error().code, Errc::not_found);
}

TEST(S3SourceStore, RecordsOfTheGoSystemHaveUrlsOfTheBucket) {
  S3Double s3;
  auto store = open(s3.options());
  s3.put_object("app.v3.tar.gz", "old");
  const std::string old = s3.url() + "/b/app.v3.tar.gz?X-Amz-Expires=900&X-Amz-Signature=00";
  EXPECT_EQ(get(*store, old), "old");
  const std::string minted = *store->url(old, 60s);
  EXPECT_TRUE(minted.starts_with(s3.url() + "/b/app.v3.tar.gz?X-Amz-Algorithm=")) << minted;
  EXPECT_NE(minted.find("X-Amz-Expires=60&"), std::string::npos) << "a new signature";
  for (const std::string& other :
       {std::string("http://127.0.0.1:1/b/app.v3.tar.gz"), s3.url() + "/c/app.v3.tar.gz",
        s3.url() + "/b/secret.txt", s3.url() + "/b/.tar.gz"}) {
    EXPECT_EQ(store->open(other).error().code, Errc::invalid_argument) << other;
    EXPECT_EQ(store->url(other, 60s).error().code, Errc::invalid_argument) << other;
    EXPECT_TRUE(store->remove(other));
  }
  EXPECT_TRUE(store->remove(old));
  EXPECT_TRUE(s3.objects().empty());
}

TEST(S3SourceStore, UploadsOfDeadWritersAreSweptAtOpening) {
  const std::string key = "app.v1.00112233445566778899aabbccddeeff.tar.gz";
  S3Double s3;
  s3.put_upload(key, "old", 25h);
  s3.put_upload(key, "young", 23h);
  s3.put_upload("somebody/elses", "foreign", 1000h);
  auto store = open(s3.options());
  EXPECT_EQ(s3.uploads(), (Log{"foreign", "young"}));
}

TEST(S3SourceStore, ThatUploadsMayNotBeListedIsNoReasonToStop) {
  S3Double s3(first(99, "GET uploads", s3_failure(403, "AccessDenied")));
  EXPECT_TRUE(put(*open(s3.options()), "hello"));
}

}  // namespace
}  // namespace vibed::testing
