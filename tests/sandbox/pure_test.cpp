// The parts of the local pool that touch nothing: command line, records, event lines.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <algorithm>

#include "sandbox/agent_client.hpp"
#include "sandbox/bubblewrap.hpp"
#include "sandbox/line_stream.hpp"
#include "sandbox/record.hpp"

namespace vibed::sandbox {
namespace {

BubblewrapSetup setup() {
  BubblewrapSetup result;
  result.id = "0123456789ab";
  result.bubblewrap = "/usr/bin/bwrap";
  result.agent = "/run/share/agent-1";
  result.etc = "/run/share/etc";
  result.etc_host = {"/etc/ssl/certs"};
  result.root = {{"/bin", "usr/bin"}, {"/lib", ""}};
  result.workspace_bytes = 1000;
  result.tmp_bytes = 200;
  result.seccomp = true;
  return result;
}

Template node() {
  Template result;
  result.name = "node-24";
  result.language = "node";
  result.env = {{"NODE_ENV", "production"}};
  result.runtimes = {{"node", "/opt/node/bin/node", "v20", {"/opt/node"}, {}}};
  return result;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// The whole list, because each word of it is a promise.
TEST(Bubblewrap, TheCommandLineIsExactlyThis) {
  EXPECT_EQ(
      joined(bubblewrap_argv(setup(), node())),
      "/usr/bin/bwrap --unshare-user --uid 1000 --gid 1000 --unshare-pid --unshare-net "
      "--unshare-ipc --unshare-uts --unshare-cgroup-try --disable-userns --as-pid-1 --new-session "
      "--hostname sandbox --cap-drop ALL --clearenv "
      "--setenv HOME /workspace --setenv LANG C.UTF-8 --setenv LOGNAME app "
      "--setenv NODE_ENV production "
      "--setenv PATH /vibed/bin:/usr/local/bin:/usr/bin:/bin --setenv SHELL /bin/sh "
      "--setenv TMPDIR /tmp --setenv USER app --setenv VIBED_AGENT_APP_PORT 8080 "
      "--setenv VIBED_AGENT_CONTROL_FD 3 --setenv VIBED_AGENT_RELAY_FD 4 "
      "--setenv VIBED_AGENT_WORKDIR /workspace --setenv VIBED_SANDBOX_ID 0123456789ab "
      "--setenv VIBED_TEMPLATE_LANGUAGE node --setenv VIBED_TEMPLATE_NAME node-24 "
      "--ro-bind /usr /usr --symlink usr/bin /bin --ro-bind /lib /lib "
      "--ro-bind /opt/node /opt/node --ro-bind /run/share/etc /etc "
      "--ro-bind /etc/ssl/certs /etc/ssl/certs --proc /proc --dev /dev "
      "--perms 1777 --size 200 --tmpfs /dev/shm --remount-ro /dev "
      "--perms 1777 --size 200 --tmpfs /tmp --perms 0755 --size 1000 --tmpfs /workspace "
      "--dir /var --symlink /tmp /var/tmp --symlink /tmp /run --symlink /tmp /var/run "
      "--dir /vibed --dir /vibed/bin --ro-bind /run/share/agent-1 /vibed/agent "
      "--symlink /opt/node/bin/node /vibed/bin/node --remount-ro / --chdir /workspace "
      "--info-fd 5 --seccomp 6 -- /vibed/agent");
}

TEST(Bubblewrap, LimitsThatNoCgroupSetsAreTheAgents) {
  BubblewrapSetup with = setup();
  with.limit_processes = 17;
  with.limit_data = 1234;
  auto env = sandbox_environment(with, node());
  EXPECT_EQ(env["VIBED_AGENT_LIMIT_PROCESSES"], "17");
  EXPECT_EQ(env["VIBED_AGENT_LIMIT_DATA"], "1234");
  EXPECT_FALSE(sandbox_environment(setup(), node()).contains("VIBED_AGENT_LIMIT_DATA"));
}

TEST(Bubblewrap, GoGetsItsCompiledLibraryAndNoNetwork) {
  Template go;
  go.name = "go-123";
  go.runtimes = {{"go", "/usr/local/go/bin/go", "go1.26", {"/usr/local/go"}, {}}};
  BubblewrapSetup with = setup();
  with.go_cache = "/cache/go-go1.26";
  auto env = sandbox_environment(with, go);
  EXPECT_EQ(env["GOPROXY"], "off");
  EXPECT_EQ(env["GOCACHE"], "/tmp/gocache");
  EXPECT_EQ(env["VIBED_AGENT_LINK_TREES"], "/vibed/go-cache=/tmp/gocache");
  EXPECT_NE(joined(bubblewrap_argv(with, go)).find("--ro-bind /cache/go-go1.26 /vibed/go-cache"),
            std::string::npos);
  EXPECT_FALSE(sandbox_environment(with, node()).contains("GOCACHE"));
}

TEST(Bubblewrap, AFolderThatWouldCoverOursIsNotMounted) {
  Template odd = node();
  odd.runtimes[0].folders = {"/", "/usr/lib/node", "/etc", "/vibed", "relative", ""};
  auto argv = bubblewrap_argv(setup(), odd);
  for (const char* folder : {"/", "/usr/lib/node", "/vibed", "relative", ""})
    for (std::size_t i = 0; i + 1 < argv.size(); ++i)
      EXPECT_FALSE(argv[i] == "--ro-bind" && argv[i + 1] == folder) << folder;
}

TEST(Record, ComesBackAsItWas) {
  Record record;
  record.id = "0123456789ab";
  record.template_name = "node-24";
  record.runtime_version = "node v20";
  record.token = "secret";
  record.inner_pid = 12;
  record.inner_start = 99;
  record.outer_pid = 11;
  record.outer_start = 98;
  record.uid = 600001;
  record.cgroups = {"/sys/fs/cgroup/pids/vibed/x"};
  record.limits = {536870912, 512, 1.5};
  record.app = "web";
  record.app_uid = "uid";
  record.label = "label";
  record.generation = 3;
  record.injected = Injected::begun;
  record.injected_at = Time(std::chrono::milliseconds(1'700'000'000'123));
  auto back = record_from_json(to_json(record));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, record);
}

TEST(Record, OfAnOlderVibedHasNoLimits) {
  Record record;
  record.id = "x";
  nlohmann::json json = nlohmann::json::parse(to_json(record));
  json.erase("limits");
  auto back = record_from_json(json.dump());
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->limits, CgroupLimits{});
}

TEST(Record, HalfARecordIsAnError) {
  Record record;
  record.id = "x";
  std::string json = to_json(record);
  EXPECT_FALSE(record_from_json(json.substr(0, json.size() / 2)));
  EXPECT_FALSE(record_from_json("{}"));
  EXPECT_FALSE(record_from_json(R"({"id": 7})"));
}

std::vector<std::string> feed_in_pieces(const std::string& bytes, std::size_t size) {
  LineStream stream;
  std::vector<std::string> all;
  for (std::size_t at = 0; at < bytes.size(); at += size) {
    auto lines = stream.feed(bytes.substr(at, size));
    if (!lines) return {"error"};
    all.insert(all.end(), lines->begin(), lines->end());
  }
  return all;
}

TEST(LineStream, LinesComeOutHoweverTheBytesCome) {
  const std::string chunked =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\none\nt\r\n1\r\n\n\r\n6\r\nwo\n\n\nx\r\n1\r\n\n\r\n0\r\n\r\n";
  const std::string plain = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none\nt\nwo\r\n\nx\n";
  for (std::size_t size : {1U, 2U, 3U, 7U, 1000U}) {
    std::vector<std::string> expected = {"one", "t", "wo", "x"};
    EXPECT_EQ(feed_in_pieces(chunked, size), expected) << size;
    EXPECT_EQ(feed_in_pieces(plain, size), expected) << size;
  }
}

TEST(LineStream, AnythingButA200IsAnError) {
  EXPECT_FALSE(LineStream().feed("HTTP/1.1 401 Unauthorized\r\n\r\n"));
  EXPECT_FALSE(LineStream().feed("SSH-2.0-x\r\n\r\n"));
  EXPECT_FALSE(LineStream().feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"));
}

TEST(AgentEvent, NamesTheCommandAndWhy) {
  auto event = agent_event_from_json(
      R"({"state":"failed","generation":4,"port":3000,"command":["node","a.js"],"plan_reason":"main",
          "reason":"AppExited","message":"m","log":["a","b"]})");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->state, "failed");
  EXPECT_EQ(event->generation, 4);
  EXPECT_EQ(event->port, 3000);
  EXPECT_EQ(event->start_command, "node a.js (main)");
  EXPECT_EQ(event->log, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(agent_event_from_json("[1]"));
  EXPECT_FALSE(agent_event_from_json("not json"));
}

}  // namespace
}  // namespace vibed::sandbox
