// templates/static-nginx/nginx.conf, served by a real nginx on a socket of its own.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.hpp"
#include "base/files.hpp"
#include "process/run.hpp"
#include "process/spawn.hpp"
#include "support/temp_dir.hpp"

namespace vibed {
namespace {

using namespace std::chrono_literals;

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// A site in a folder, and nginx serving it as a sandbox would, with paths and the address changed.
class NginxConf : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!run({"/usr/sbin/nginx", "-v"})) GTEST_SKIP() << "no nginx on this machine";
    ASSERT_TRUE(make_directories(dir_ / "site"));
    ASSERT_TRUE(make_directories(dir_ / "tmp"));
  }

  void TearDown() override {
    if (!nginx_) return;
    EXPECT_TRUE(nginx_.signal(SIGTERM));
    auto status = nginx_.reap();
    EXPECT_TRUE(status && status->ok());
  }

  void page(const std::string& path, const std::string& text) {
    std::string full = dir_ / "site/" + path;
    ASSERT_TRUE(make_directories(full.substr(0, full.rfind('/'))));
    ASSERT_TRUE(write_file(full, text, Durability::unsynced));
  }

  void serve() {
    auto conf = read_file(std::string(VIBED_SOURCE_DIR) + "/templates/static-nginx/nginx.conf",
                          1024 * 1024);
    ASSERT_TRUE(conf);
    replace_all(*conf, "/workspace", dir_ / "site");
    replace_all(*conf, "/tmp/nginx", dir_ / "tmp/nginx");
    replace_all(*conf, "127.0.0.1:8080", "unix:" + socket_);
    ASSERT_TRUE(write_file(dir_ / "nginx.conf", *conf, Durability::unsynced));
    SpawnOptions options;
    options.argv = {"/usr/sbin/nginx", "-e", "stderr", "-c", dir_ / "nginx.conf"};
    auto process = spawn(options);
    ASSERT_TRUE(process) << process.error().message;
    nginx_ = *std::move(process);
    // The path is there before anybody listens on it.
    for (int i = 0; i < 1000 && !connected(); ++i) {
      ASSERT_FALSE(nginx_.wait_exit(10ms)) << "nginx ended at once";
    }
  }

  Fd connected() const {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    socket_.copy(address.sun_path, sizeof address.sun_path - 1);
    bool ok = ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    return ok ? std::move(fd) : Fd();
  }

  // The whole answer to a GET, head and body.
  std::string get(const std::string& path) {
    Fd fd = connected();
    if (!fd) return "";
    std::string request = "GET " + path + " HTTP/1.1\r\nHost: x.localhost:18080\r\n\r\n";
    if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "";
    std::string answer;
    char buffer[4096];
    for (ssize_t count = 0; (count = ::read(fd.get(), buffer, sizeof buffer)) > 0;) {
      answer.append(buffer, static_cast<std::size_t>(count));
    }
    return answer;
  }

  testing::TempDir dir_;
  std::string socket_ = dir_ / "s";
  Process nginx_;
};

bool has(const std::string& answer, const std::string& part) {
  return answer.find(part) != std::string::npos;
}

TEST_F(NginxConf, ServesFilesWithTheirTypesAndClosesTheConnection) {
  page("index.html", "<h1>home</h1>");
  page("a/style.css", "b{}");
  page("m.mjs", "export{}");
  page("font.woff2", "x");
  page("notes.txt", "caf\xc3\xa9");
  serve();
  std::string home = get("/");
  EXPECT_TRUE(has(home, "HTTP/1.1 200 OK")) << home;
  EXPECT_TRUE(has(home, "Content-Type: text/html\r\n")) << home;
  EXPECT_TRUE(has(home, "Connection: close")) << home;
  EXPECT_TRUE(has(home, "Server: nginx\r\n")) << home;
  EXPECT_TRUE(has(home, "<h1>home</h1>"));
  EXPECT_TRUE(has(get("/a/style.css"), "Content-Type: text/css"));
  EXPECT_TRUE(has(get("/m.mjs"), "Content-Type: text/javascript"));
  EXPECT_TRUE(has(get("/font.woff2"), "Content-Type: font/woff2"));
  EXPECT_TRUE(has(get("/notes.txt"), "Content-Type: text/plain; charset=utf-8"));
}

TEST_F(NginxConf, GivesASinglePageAppItsPageForEveryRoute) {
  page("index.html", "the app");
  page("about.html", "about");
  page("guide/index.html", "guide");
  serve();
  EXPECT_TRUE(has(get("/users/7"), "the app"));
  EXPECT_TRUE(has(get("/about"), "about"));
  EXPECT_TRUE(has(get("/guide/"), "guide"));
}

TEST_F(NginxConf, RedirectsToAFolderWithoutNamingItsOwnAddress) {
  page("index.html", "x");
  page("guide/index.html", "guide");
  serve();
  std::string answer = get("/guide");
  EXPECT_TRUE(has(answer, "301") && has(answer, "Location: /guide/\r\n")) << answer;
}

TEST_F(NginxConf, ServesABuildOutputThatLiesInItsFolder) {
  page("README.md", "secret plans");
  page("dist/index.html", "built");
  page("dist/assets/a.js", "js");
  serve();
  EXPECT_TRUE(has(get("/"), "built"));
  EXPECT_TRUE(has(get("/assets/a.js"), "js"));
  EXPECT_FALSE(has(get("/README.md"), "secret plans"));
}

TEST_F(NginxConf, HidesHiddenFilesExceptTheWellKnownOnes) {
  page("index.html", "x");
  page(".env", "KEY=1");
  page(".git/config", "[core]");
  page(".well-known/security.txt", "Contact: x");
  serve();
  EXPECT_TRUE(has(get("/.env"), "404 Not Found"));
  EXPECT_TRUE(has(get("/.git/config"), "404 Not Found"));
  EXPECT_TRUE(has(get("/.well-known/security.txt"), "Contact: x"));
}

TEST_F(NginxConf, WithoutAnyPageIsNotFoundAndNotAnError) {
  page("data.json", "{}");
  serve();
  EXPECT_TRUE(has(get("/"), "40")) << get("/");
  EXPECT_TRUE(has(get("/nothing"), "404 Not Found"));
  EXPECT_TRUE(has(get("/data.json"), "application/json"));
}

}  // namespace
}  // namespace vibed
