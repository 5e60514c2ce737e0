// What is decided without asking anybody: retries, errors, paths, the stream of a watch.
#include <gtest/gtest.h>

#include "base/error_codes.hpp"
#include "base/time.hpp"
#include "kube/clock.hpp"
#include "kube/resource.hpp"
#include "kube/retry.hpp"
#include "kube/status.hpp"
#include "kube/watch.hpp"

namespace vibed::kube {
namespace {

using namespace std::chrono_literals;

TEST(Retry, EveryKindOfFailureIsRepeatedOrNot) {
  struct Row {
    int status;
    Errc error;
    bool told;  // Retry-After
    bool same;  // repeated where sending twice is the same as once
    bool unsafe;
  };
  const Row rows[] = {
      {0, Errc::unavailable, false, true, false},
      {0, Errc::deadline_exceeded, false, false, false},
      {0, Errc::cancelled, false, false, false},
      {0, Errc::invalid_argument, false, false, false},
      {0, Errc::resource_exhausted, false, false, false},
      {400, {}, false, false, false},
      {401, {}, false, false, false},
      {403, {}, true, false, false},
      {404, {}, false, false, false},
      {409, {}, true, false, false},
      {410, {}, false, false, false},
      {422, {}, false, false, false},
      {429, {}, false, true, true},
      {429, {}, true, true, true},
      {500, {}, false, true, false},
      {500, {}, true, true, true},
      {501, {}, true, false, false},
      {502, {}, false, true, false},
      {502, {}, true, true, true},
      {503, {}, false, true, false},
      {503, {}, true, true, true},
      {504, {}, false, true, false},
      {504, {}, true, true, true},
      {301, {}, false, false, false},
  };
  for (const Row& row : rows) {
    Failure failure{.status = row.status, .error = row.error};
    if (row.told) failure.retry_after = 1s;
    EXPECT_EQ(delay_after(failure, 0).has_value(), row.same) << row.status << row.told;
    failure.twice = Twice::unsafe;
    EXPECT_EQ(delay_after(failure, 0).has_value(), row.unsafe) << row.status << row.told;
  }
}

TEST(Retry, TheDelayDoublesIsCappedAndJitteredAndEnds) {
  const auto after = [](int number, double random) {
    return delay_after({.number = number, .status = 503}, random);
  };
  EXPECT_EQ(after(1, 0), 100ms);
  EXPECT_EQ(after(2, 0), 200ms);
  EXPECT_EQ(after(2, 1), 300ms);
  EXPECT_EQ(after(9, 0), 5s);
  EXPECT_EQ(after(9, 0.5), 6250ms);
  EXPECT_EQ(after(10, 0), std::nullopt);
  EXPECT_EQ(delay_after({.number = 1, .most = 1, .status = 503}, 0), std::nullopt);
}

TEST(Retry, RetryAfterReplacesTheDelayAndIsNeverUndercut) {
  EXPECT_EQ(delay_after({.number = 5, .status = 429, .retry_after = 2s}, 0), 2s);
  EXPECT_EQ(delay_after({.number = 5, .status = 429, .retry_after = 2s}, 1), 2050ms);
}

TEST(Retry, ABackoffNeverOverflows) {
  EXPECT_EQ(backoff(0, 200ms, 30s, 0), 200ms);
  EXPECT_EQ(backoff(1'000'000, 200ms, 30s, 7.0), 45s);
}

TEST(RetryAfter, IsSecondsAndNothingElse) {
  EXPECT_EQ(parse_retry_after("1"), 1s);
  EXPECT_EQ(parse_retry_after("999999999"), 86400s);
  for (const char* text : {"", "0", "-1", "1.5", "x", "1 ", "Sun, 06 Nov 1994 08:49:37 GMT"}) {
    EXPECT_EQ(parse_retry_after(text), std::nullopt) << text;
  }
}

Json status_json(int code, const char* reason, const char* message, Json details = nullptr) {
  return {{"kind", "Status"},
          {"code", code},
          {"reason", reason},
          {"message", message},
          {"details", details}};
}

TEST(Status, EachAnswerHasItsClassAndItsWord) {
  struct Row {
    Json status;
    Errc code;
    std::string reason;
  };
  const Json named = {{"name", "a"}};
  const Json terminating = {{"name", "a"}, {"causes", {{{"reason", "NamespaceTerminating"}}}}};
  const Row rows[] = {
      {status_json(400, "BadRequest", "x"), Errc::invalid_argument, ""},
      {status_json(401, "Unauthorized", "x"), Errc::unauthenticated, ""},
      {status_json(403, "Forbidden", "x", named), Errc::permission_denied, ""},
      {status_json(403, "Forbidden", "exceeded quota: q", named), Errc::resource_exhausted,
       "cluster_quota_exceeded"},
      {status_json(403, "Forbidden", "x", terminating), Errc::conflict, "namespace_terminating"},
      {status_json(404, "NotFound", "x", named), Errc::not_found, ""},
      {status_json(404, "NotFound", "x"), Errc::not_found, "kind_not_served"},
      {status_json(408, "Timeout", "x"), Errc::deadline_exceeded, ""},
      {status_json(409, "AlreadyExists", "x", named), Errc::already_exists, ""},
      {status_json(409, "Conflict", "x", named), Errc::conflict, ""},
      {status_json(410, "Expired", "x"), Errc::conflict, "watch_expired"},
      {status_json(410, "Gone", "x"), Errc::conflict, "watch_expired"},
      {status_json(413, "RequestEntityTooLarge", "x"), Errc::invalid_argument, ""},
      {status_json(415, "UnsupportedMediaType", "x"), Errc::invalid_argument, ""},
      {status_json(422, "Invalid", "x", named), Errc::invalid_argument, "invalid_object"},
      {status_json(429, "TooManyRequests", "x"), Errc::resource_exhausted, ""},
      {status_json(500, "InternalError", "x"), Errc::unavailable, ""},
      {status_json(503, "ServiceUnavailable", "x"), Errc::unavailable, ""},
      {status_json(504, "Timeout", "x"), Errc::deadline_exceeded, ""},
      {status_json(-7, "", "x"), Errc::unavailable, ""},
  };
  for (const Row& row : rows) {
    const Error error = to_error(status_of(row.status));
    EXPECT_EQ(error.code, row.code) << row.status;
    EXPECT_EQ(error.reason, row.reason) << row.status;
    EXPECT_TRUE(error.message.starts_with(
        row.code == Errc::resource_exhausted && !row.reason.empty() ? "exceeded" : "x"))
        << error.message;
  }
}

TEST(Status, CausesThatTheMessageDoesNotNameAreAddedToIt) {
  const Json causes = {{{"field", "spec.a"}, {"message", "must be one"}},
                       {{"field", "spec.b"}, {"message", "too long"}}};
  const auto status =
      status_of(status_json(422, "Invalid", "a: must be one", {{"causes", causes}}));
  EXPECT_EQ(to_error(status).message, "a: must be one; spec.b: too long");
}

TEST(Status, AnAnswerThatIsNoStatusGivesItsFirstWords) {
  const auto status = parse_status(502, "<html>\n<b>bad</b>" + std::string(5000, 'x'), "3");
  EXPECT_EQ(status.code, 502);
  EXPECT_TRUE(status.message.starts_with("<html> <b>bad</b>"));
  EXPECT_EQ(status.message.size(), 200U);
  EXPECT_EQ(status.retry_after, 3s);
  EXPECT_EQ(to_error(parse_status(500, "", "")).message, "the API server answers 500");
}

TEST(Status, TheSecondsOfItsDetailsCountAsRetryAfter) {
  const auto status = status_of(status_json(429, "", "", {{"retryAfterSeconds", 4}}));
  EXPECT_EQ(status.retry_after, 4s);
}

TEST(Path, LeadsToObjectsCollectionsAndSubresources) {
  const Resource apps{"apps", "v1", "deployments", "Deployment"};
  EXPECT_EQ(path_of(pods(), ""), "/api/v1/pods");
  EXPECT_EQ(path_of(pods(), "a"), "/api/v1/namespaces/a/pods");
  EXPECT_EQ(path_of(pods(), "a", "b", "log"), "/api/v1/namespaces/a/pods/b/log");
  EXPECT_EQ(path_of(apps, "a", "b"), "/apis/apps/v1/namespaces/a/deployments/b");
  EXPECT_EQ(path_of(namespaces(), "x", "a"), "/api/v1/namespaces/a");
  EXPECT_EQ(path_of(pods(), "..", "a/b"), "/api/v1/namespaces/%2E%2E/pods/a%2Fb");
}

TEST(Path, QueriesAreEncodedAndEmptyValuesLeftOut) {
  EXPECT_EQ(Query().add("a", "").text(), "");
  EXPECT_EQ(Query().add("labelSelector", "a=b,c in (d)").add("limit", "5").text(),
            "?labelSelector=a%3Db%2Cc%20in%20%28d%29&limit=5");
}

std::string event(const std::string& version) {
  return R"({"type":"ADDED","object":{"metadata":{"name":"a\n","resourceVersion":")" + version +
         "\"}}}\n";
}

TEST(WatchParser, EventsComeOutHoweverTheStreamIsCut) {
  const std::string stream = event("1") + "\n" + event("22") + event("333");
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    WatchParser parser;
    std::vector<std::string> versions;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      auto more = parser.feed(std::string_view(stream).substr(at, piece), [&](const WatchEvent& e) {
        versions.push_back(version_of(e.object));
        return true;
      });
      ASSERT_TRUE(more && *more);
    }
    ASSERT_EQ(versions, (std::vector<std::string>{"1", "22", "333"})) << piece;
  }
}

TEST(WatchParser, TheSinkMayHaveEnough) {
  WatchParser parser;
  int seen = 0;
  auto more = parser.feed(event("1") + event("2"), [&](const WatchEvent&) { return ++seen < 1; });
  ASSERT_TRUE(more);
  EXPECT_FALSE(*more);
  EXPECT_EQ(seen, 1);
}

TEST(WatchParser, WhatIsNoEventIsAnError) {
  for (const char* line :
       {"x", "{}", "[]", R"({"type":"ADDED"})", R"({"type":"NEW","object":{}})",
        R"({"type":"ADDED","object":{"metadata":{}}})", R"({"type":"ADDED","object":[1]})",
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"1\"},\"x\":\"\xff\"}"
        "}"}) {
    EXPECT_FALSE(parse_watch_event(line)) << line;
  }
}

TEST(WatchParser, ALineWithoutAnEndIsGivenUp) {
  WatchParser parser;
  const std::string piece(1024 * 1024, 'x');
  Result<bool> more = true;
  for (int i = 0; i < 17 && more; ++i) {
    more = parser.feed(piece, [](const WatchEvent&) { return true; });
  }
  EXPECT_EQ(more.error().code, Errc::resource_exhausted);
}

TEST(Json, DepthIsLimitedButBracketsInTextsAreNot) {
  EXPECT_TRUE(parse_json(std::string(100, '[') + std::string(100, ']')));
  EXPECT_FALSE(parse_json(std::string(101, '[') + std::string(101, ']')));
  EXPECT_FALSE(parse_json(std::string(1'000'000, '[')));
  EXPECT_TRUE(parse_json("[\"" + std::string(1000, '[') + "\\\"" + std::string(1000, '{') + "\"]"));
}

TEST(Version, IsANumberOrNothing) {
  EXPECT_EQ(version_number("18446744073709551615"), UINT64_MAX);
  for (const char* text : {"", "-1", "1a", " 1", "18446744073709551616"}) {
    EXPECT_EQ(version_number(text), std::nullopt) << text;
  }
}

TEST(Key, IsReadAsItIsWritten) {
  EXPECT_EQ(parse_key("a/b"), (ObjectKey{"a", "b"}));
  EXPECT_EQ(parse_key("b"), (ObjectKey{"", "b"}));
  EXPECT_EQ(parse_key(ObjectKey{"a", "b"}.text()), (ObjectKey{"a", "b"}));
}

TEST(ClockOffset, IsNoneWhereTheClocksMayBeTheSame) {
  using namespace std::chrono_literals;
  const auto noon = *parse_rfc3339("2026-11-22T12:00:00Z");
  EXPECT_EQ(clock_offset(noon, noon + 1ms, noon + 1s), 0s) << "a date is cut off";
  EXPECT_EQ(clock_offset(noon, noon + 1s, noon + 2s), 0s);
  EXPECT_EQ(clock_offset(noon, noon - 30s, noon + 30s), 0s) << "an answer that took its time";
  EXPECT_EQ(clock_offset(noon, noon - 2s, noon - 1s), 1s);
  EXPECT_EQ(clock_offset(noon + 1h, noon, noon + 100ms), 3600s);
  EXPECT_EQ(clock_offset(noon - 1h, noon, noon + 100ms), -3599s);
}

}  // namespace
}  // namespace vibed::kube
