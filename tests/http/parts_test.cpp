// The small parts of the server, each alone.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <latch>

#include "http/request_parser.hpp"
#include "http/router.hpp"
#include "http/spool.hpp"
#include "http/sse.hpp"
#include "http/target.hpp"
#include "http/wire.hpp"
#include "http/worker_pool.hpp"
#include "support/temp_dir.hpp"

namespace vibed::http {
namespace {

Handler named(std::string name) {
  return [name](Request&) {
    Response response;
    response.body = name;
    return response;
  };
}

std::string found(const Router& router, std::string_view method, std::string_view path) {
  auto match = router.find(method, path);
  Request request;
  return match.handler == nullptr ? "" : (*match.handler)(request).body;
}

TEST(Router, LiteralPartsWinOverNamesAndNamesOverTheRest) {
  Router router;
  router.add("*", "/{rest...}", named("rest"));
  router.add("GET", "/v1/{name}", named("name"));
  router.add("GET", "/v1/apps", named("literal"));
  EXPECT_EQ(found(router, "GET", "/v1/apps"), "literal");
  EXPECT_EQ(found(router, "GET", "/v1/other"), "name");
  EXPECT_EQ(found(router, "GET", "/v1/a/b"), "rest");
  EXPECT_EQ(found(router, "POST", "/v1/apps"), "rest");
  EXPECT_EQ(found(router, "GET", "/"), "rest");
  EXPECT_EQ(found(router, "HEAD", "/v1/apps"), "literal");
}

TEST(Router, NamesAreNeverEmptyAndTrailingSlashesCount) {
  Router router;
  router.add("GET", "/v1/{name}/logs", named("logs"));
  EXPECT_EQ(found(router, "GET", "/v1//logs"), "");
  EXPECT_EQ(found(router, "GET", "/v1/a/logs/"), "");
  EXPECT_EQ(found(router, "GET", "v1/a/logs"), "");
  EXPECT_EQ(found(router, "GET", ""), "");
  auto match = router.find("GET", "/v1/a/logs");
  EXPECT_EQ(match.parameters.at("name"), "a");
  EXPECT_EQ(match.pattern, "/v1/{name}/logs");
}

TEST(Router, AMethodThatIsNotThereNamesThoseThatAre) {
  Router router;
  router.add("GET", "/x", named("get"));
  router.add("DELETE", "/x", named("delete"));
  auto match = router.find("PUT", "/x");
  EXPECT_EQ(match.handler, nullptr);
  EXPECT_EQ(match.allowed, (std::vector<std::string>{"DELETE", "GET", "HEAD"}));
  EXPECT_EQ(match.pattern, "/x");
}

TEST(Target, IsTakenApartAndDecoded) {
  auto target = parse_target("GET", "/a%20b+c?q=1&q=2&r=a+b%2f&s");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/a b+c");
  EXPECT_EQ(target->query,
            (std::map<std::string, std::string>{{"q", "2"}, {"r", "a b/"}, {"s", ""}}));
  EXPECT_EQ(*parse_target("GET", "http://h:1?x=y")->authority, "h:1");
  EXPECT_EQ(parse_target("GET", "http://h:1?x=y")->path, "/");
  EXPECT_EQ(parse_target("OPTIONS", "*")->path, "*");
  for (const char* bad :
       {"", "a", "*", "//%", "/#f", "ftp://h/", "http:///x", "http://u@h/", "/%0", "/%00"}) {
    EXPECT_FALSE(parse_target("GET", bad)) << bad;
  }
}

TEST(Wire, AHandlerCannotSplitTheResponse) {
  Response response;
  response.headers.set("X-Name", "a\r\nSet-Cookie: b");
  response.headers.set("Content-Length", "99");
  Fields extra;
  extra.set("x-name", "other");
  extra.set("X-More", "c");
  std::string head = response_head(response, extra, {true, false, 3});
  EXPECT_NE(head.find("X-Name: aSet-Cookie: b\r\n"), std::string::npos);
  EXPECT_NE(head.find("X-More: c\r\n"), std::string::npos);
  EXPECT_NE(head.find("Content-Length: 3\r\n"), std::string::npos);
  EXPECT_EQ(head.find("99"), std::string::npos);
  EXPECT_EQ(head.find("other"), std::string::npos);
}

TEST(Sse, EveryLineOfTheDataIsMarked) {
  EXPECT_EQ(sse_event("a"), "data: a\n\n");
  EXPECT_EQ(sse_event(""), "data: \n\n");
  EXPECT_EQ(sse_event("a\nb\r\nc\rd", "error"),
            "event: error\ndata: a\ndata: b\ndata: c\ndata: d\n\n");
  EXPECT_EQ(sse_comment("beat"), ": beat\n\n");
}

TEST(RequestParser, OneByteAtATimeGivesWhatTheWholeGives) {
  const std::string bytes =
      "\r\nPOST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\nGET /b HTTP/1.1\r\nHost: y\r\n\r\n";
  for (std::size_t piece : {bytes.size(), std::size_t{1}, std::size_t{7}}) {
    RequestParser parser(1000);
    std::string seen;
    bool in_body = false;
    for (std::size_t i = 0; i < bytes.size(); i += piece) {
      auto part = bytes.substr(i, piece);
      auto room = parser.prepare(part.size());
      std::copy(part.begin(), part.end(), room.begin());
      parser.commit(part.size());
      for (bool more = true; more;) {
        if (in_body) {
          auto done = parser.take_body([&](std::string_view data) {
            seen += data;
            return success();
          });
          ASSERT_TRUE(done);
          in_body = !*done;
          more = *done;
          if (*done) seen += "|";
        } else {
          auto head = parser.take_head();
          ASSERT_TRUE(head) << head.error().message;
          more = head->has_value();
          if (!more) continue;
          seen += (*head)->method + (*head)->target + "|";
          in_body = (*head)->has_body();
        }
      }
    }
    EXPECT_EQ(seen, "POST/a|abcde|GET/b|");
    EXPECT_TRUE(parser.empty());
  }
}

TEST(WorkerPool, RunsAsManyAtOnceAsItMayAndQueuesTheRest) {
  std::atomic<int> done = 0;
  {
    WorkerPool pool(3);
    std::latch together(3);
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(pool.post([&] {
        together.arrive_and_wait();
        ++done;
      }));
    }
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(pool.post([&] { ++done; }));
    EXPECT_LE(pool.threads(), 3U);
  }
  EXPECT_EQ(done, 53);
}

TEST(WorkerPool, ThreadsEndWhenThereIsNothingToDoAndComeBack) {
  WorkerPool pool(3, std::chrono::milliseconds(1));
  for (int round = 0; round < 3; ++round) {
    std::latch ran(1);
    ASSERT_TRUE(pool.post([&] { ran.count_down(); }));
    ran.wait();
    auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (pool.threads() > 0 && std::chrono::steady_clock::now() < limit)
      std::this_thread::yield();
    EXPECT_EQ(pool.threads(), 0U);
  }
}

TEST(BodyKeeper, KeepsInMemoryOrInAFileUpToTheLimit) {
  testing::TempDir dir;
  for (BodyMode mode : {BodyMode::memory, BodyMode::spool}) {
    auto keeper = BodyKeeper::open({mode, 5}, dir.path());
    ASSERT_TRUE(keeper);
    EXPECT_TRUE(keeper->append("abc"));
    EXPECT_TRUE(keeper->append("de"));
    EXPECT_EQ(keeper->append("f").error().reason, "payload_too_large");
    Request request;
    keeper->finish(request);
    if (mode == BodyMode::memory) {
      EXPECT_EQ(request.body, "abcde");
    } else {
      EXPECT_EQ(request.body_file->size(), 5U);
    }
  }
}

// In a child with a tiny file system of its own: 0 for storage_full, 77 if that cannot be made.
[[noreturn]] void fill_a_disk(const std::string& folder) {
  std::string user = "0 " + std::to_string(::geteuid()) + " 1";
  std::string group = "0 " + std::to_string(::getegid()) + " 1";
  if (::unshare(CLONE_NEWNS | (::geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0) ::_exit(77);
  // An ordinary user becomes root in there: who is nobody can make no file. Root has a name already
  // and may not write these: no matter.
  std::ofstream("/proc/self/uid_map") << user;
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/gid_map") << group;
  ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  if (::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=64k") != 0) ::_exit(77);
  auto keeper = BodyKeeper::open({BodyMode::spool, 1U << 20U}, folder);
  if (!keeper) ::_exit(1);
  auto kept = keeper->append(std::string(200'000, 'x'));
  ::_exit(!kept && kept.error().reason == "storage_full" ? 0 : 2);
}

TEST(BodyKeeper, AFullDiskIsStorageFull) {
  testing::TempDir dir;
  EXPECT_EXIT(
      fill_a_disk(dir.path()),
      [](int status) {
        return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
      },
      "");
}

}  // namespace
}  // namespace vibed::http
