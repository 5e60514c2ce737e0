// The real agent in a real sandbox.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>

#include <fmt/format.h>

#include "agent/agent_harness.hpp"
#include "base/files.hpp"

namespace vibed::agent {
namespace {

using nlohmann::json;

const Headers kLines = {{"Accept", "application/x-ndjson"}};

class AgentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!AgentSandbox::possible()) GTEST_SKIP() << "bubblewrap does not work here";
  }

  static json entry(const std::string& command, json more = json::object()) {
    json meta = {{"generation", 1}, {"entrypoint", command}};
    meta.update(more);
    return meta;
  }

  // Pushes app.py and returns the last line of the stream.
  static json push_python(const AgentSandbox& sandbox, const std::string& program,
                          json more = json::object()) {
    Exchange stream = sandbox.push({{"app.py", program}}, entry("python3 app.py", more));
    EXPECT_EQ(stream.status(), 200) << stream.head();
    json last;
    while (auto line = stream.line()) last = json::parse(*line);
    return last;
  }

  // Reads events until one has that state.
  static json await_state(Exchange& events, const std::string& state) {
    for (;;) {
      json event = events.json_line();
      if (!event.is_object() || event["state"] == state) return event;
    }
  }

  static std::string body_of(Exchange exchange) { return exchange.rest(); }
};

TEST_F(AgentTest, APushedTreeRunsAndEveryStepIsTold) {
  AgentSandbox sandbox;
  Exchange events = sandbox.call("GET", "/events");
  EXPECT_EQ(events.json_line()["state"], "idle");
  Exchange stream =
      sandbox.push({{"app.py", python_server()}, {"lib/x.txt", "x"}},
                   entry("python3 app.py", {{"generation", 7}, {"env", {{"COLOUR", "blue"}}}}));
  ASSERT_EQ(stream.status(), 200);
  json extracted = stream.json_line();
  EXPECT_EQ(extracted["event"], "extracted");
  EXPECT_EQ(extracted["files"], 2);
  json plan = stream.json_line();
  EXPECT_EQ(plan["event"], "plan");
  EXPECT_FALSE(plan["argv"].empty());
  EXPECT_FALSE(plan["reason"].empty());
  EXPECT_EQ(stream.json_line()["event"], "started");
  json listening = stream.json_line();
  EXPECT_EQ(listening, (json{{"event", "listening"}, {"port", 8080}, {"address", "0.0.0.0"}}));
  EXPECT_FALSE(stream.line()) << "that was the result";

  EXPECT_EQ(body_of(sandbox.app("GET", "/hello")), "GET /hello 0");
  EXPECT_EQ(body_of(sandbox.app("POST", "/p", {}, std::string(300'000, 'x'))), "POST /p 300000");
  EXPECT_EQ(body_of(sandbox.app("GET", "/env/COLOUR")), "blue");
  EXPECT_EQ(body_of(sandbox.app("GET", "/env/HOST")), "0.0.0.0");
  EXPECT_EQ(body_of(sandbox.app("GET", "/env/VIBED_AGENT_CONTROL_FD")), "-");

  json event = await_state(events, "listening");
  EXPECT_EQ(event["generation"], 7);
  EXPECT_EQ(event["port"], 8080);
  EXPECT_GT(event["pid"], 1);
  json status = json::parse(body_of(sandbox.call("GET", "/status")));
  EXPECT_EQ(status["state"], "running");
  EXPECT_EQ(status["appPort"], 8080);
}

TEST_F(AgentTest, IsSmallWhileItWaitsInThePool) {
  AgentSandbox sandbox;
  Exchange events = sandbox.call("GET", "/events");
  EXPECT_EQ(events.json_line()["state"], "idle");
  std::ifstream rollup(fmt::format("/proc/{}/smaps_rollup", sandbox.agent_pid()));
  std::map<std::string, long> kilobytes;
  for (std::string line; std::getline(rollup, line);) {
    std::size_t colon = line.find(':');
    if (colon != std::string::npos)
      kilobytes[line.substr(0, colon)] = std::atol(line.c_str() + colon + 1);
  }
  ASSERT_GT(kilobytes["Rss"], 0) << "smaps_rollup could not be read";
  fmt::print("pooled agent: {} kB resident, {} kB of it anonymous\n", kilobytes["Rss"],
             kilobytes["Anonymous"]);
  RecordProperty("rss_kb", static_cast<int>(kilobytes["Rss"]));
  RecordProperty("anonymous_kb", static_cast<int>(kilobytes["Anonymous"]));
  if (VIBED_AGENT_SANITIZED) GTEST_SKIP() << "a sanitizer's shadow is not the agent's memory";
  EXPECT_LE(kilobytes["Anonymous"], 1024);
  // Unoptimised code is larger; the promise is that of the release build.
  EXPECT_LE(kilobytes["Rss"], VIBED_AGENT_OPTIMIZED ? 3072 : 6144);
}

TEST_F(AgentTest, ACrashedAppIsStartedAgainAndTheRelaySays503Meanwhile) {
  AgentSandbox sandbox;
  ASSERT_EQ(push_python(sandbox, python_server())["event"], "listening");
  Exchange events = sandbox.call("GET", "/events");
  EXPECT_EQ(events.json_line()["state"], "listening");
  EXPECT_EQ(sandbox.app("GET", "/crash").status(), 0);
  json crashed = await_state(events, "restarting");
  EXPECT_EQ(crashed["exit_code"], 3);
  json again = await_state(events, "listening");
  EXPECT_EQ(again["restarts"], 1);
  EXPECT_EQ(body_of(sandbox.app("GET", "/x")), "GET /x 0");
}

TEST_F(AgentTest, FiveShortLivesAreALoop) {
  AgentSandbox sandbox;
  std::string program =
      "import socket, time\ns = socket.create_server(('127.0.0.1', 8080))\n"
      "print('about to end', flush=True)\ntime.sleep(0.15)\n";
  push_python(sandbox, program);
  Exchange events = sandbox.call("GET", "/events");
  json failed = await_state(events, "failed");
  EXPECT_EQ(failed["reason"], "CrashLoop");
  EXPECT_EQ(failed["restarts"], 4);
  EXPECT_EQ(failed["log"].back(), "about to end");
  EXPECT_EQ(sandbox.app("GET", "/").status(), 503);
}

TEST_F(AgentTest, EndingBeforeListeningIsToldWithTheLastLines) {
  AgentSandbox sandbox;
  json last = push_python(sandbox,
                          "import sys\nprint('one')\nprint('no module named x', file=sys.stderr)\n"
                          "sys.exit(3)\n");
  EXPECT_EQ(last["event"], "exited");
  EXPECT_EQ(last["code"], 3);
  EXPECT_EQ(last["signal"], 0);
  EXPECT_EQ(last["log"].size(), 2U) << last;
  json status = json::parse(body_of(sandbox.call("GET", "/status")));
  EXPECT_EQ(status["state"], "failed");
  EXPECT_EQ(status["exitCode"], 3);
  Exchange events = sandbox.call("GET", "/events");
  EXPECT_EQ(events.json_line()["reason"], "AppExited");
}

TEST_F(AgentTest, WhileNothingListensAFiveMegabytePostGets503AndIsNotCutOff) {
  AgentSandbox sandbox;
  Exchange stream =
      sandbox.push({{"app.py", "import time\ntime.sleep(1000)\n"}}, entry("python3 app.py"));
  while (stream.json_line()["event"] != "started") {
  }
  for (int i = 0; i < 10; ++i) {
    Exchange answer = sandbox.app("POST", "/", {}, std::string(5'000'000, 'x'));
    EXPECT_EQ(answer.status(), 503);
    EXPECT_FALSE(answer.reset());
    EXPECT_NE(answer.head().find("Retry-After:"), std::string::npos);
  }
  Exchange events = sandbox.call("GET", "/events");
  EXPECT_EQ(events.json_line()["state"], "starting");
}

TEST_F(AgentTest, AnAppIsFoundWhereverItListens) {
  struct Case {
    std::string host;
    std::string port;
    int expected;
  };
  for (const Case& one : {Case{"127.0.0.1", "8080", 8080}, Case{"::1", "8080", 8080},
                          Case{"::", "3000", 3000}, Case{"localhost", "5000", 5000}}) {
    AgentSandbox sandbox;
    json last = push_python(sandbox, python_server(one.host, one.port));
    EXPECT_EQ(last["event"], "listening") << one.host;
    EXPECT_EQ(last["port"], one.expected) << one.host;
    EXPECT_EQ(body_of(sandbox.app("GET", "/x")), "GET /x 0") << one.host;
  }
}

TEST_F(AgentTest, ThePortItWasToldWinsAlsoWhenItComesLater) {
  AgentSandbox sandbox;
  std::string before = "first = socket.create_server(('127.0.0.1', 3000))\ntime.sleep(0.3)\n";
  EXPECT_EQ(push_python(sandbox, python_server("127.0.0.1", "8080", before))["port"], 3000);
  Exchange events = sandbox.call("GET", "/events");
  json event = events.json_line();
  while (event.is_object() && event["port"] != 8080) event = events.json_line();
  EXPECT_EQ(event["state"], "listening");
  EXPECT_EQ(body_of(sandbox.app("GET", "/x")), "GET /x 0");
}

TEST_F(AgentTest, DrainingKeepsOpenConnectionsAndRefusesNewOnes) {
  AgentSandbox sandbox;
  std::string program =
      "import socket\ns = socket.create_server(('127.0.0.1', 8080))\n"
      "c, _ = s.accept()\nc.recv(1000)\nc.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n')\n"
      "while True:\n  d = c.recv(1000)\n  if not d: break\n  c.sendall(d)\n";
  ASSERT_EQ(push_python(sandbox, program)["event"], "listening");
  Exchange open = sandbox.app("GET", "/");
  EXPECT_EQ(open.status(), 200);
  json drained = json::parse(body_of(sandbox.call("POST", "/drain")));
  EXPECT_EQ(drained["connections"], 1);
  EXPECT_EQ(sandbox.app("GET", "/").status(), 0) << "refused";
  ASSERT_TRUE(open.send("still here"));
  EXPECT_EQ(open.read_raw(10), "still here");
}

TEST_F(AgentTest, LogsAreFollowedWithStreamAndTime) {
  AgentSandbox sandbox;
  ASSERT_EQ(
      push_python(sandbox, python_server("0.0.0.0", "",
                                         "print('to err', file=sys.stderr, flush=True)"))["event"],
      "listening");
  Exchange follow = sandbox.call("GET", "/logs?lines=100&follow=1", kLines);
  ASSERT_EQ(follow.status(), 200);
  std::map<std::string, std::string> seen;
  (void)body_of(sandbox.app("GET", "/marked"));
  for (;;) {
    json line = follow.json_line();
    ASSERT_TRUE(line.is_object());
    EXPECT_EQ(line["time"].get<std::string>().size(), 30U) << line;
    seen[line["text"]] = line["stream"];
    if (line["text"] == "request /marked") break;
  }
  EXPECT_EQ(seen["to err"], "stderr");
  EXPECT_EQ(seen["request /marked"], "stdout");
  EXPECT_EQ(seen["the app listens on 0.0.0.0:8080"], "vibed");
  json v1 = json::parse(body_of(sandbox.call("GET", "/logs?lines=1")));
  EXPECT_EQ(v1, (json{{"lines", {"request /marked"}}}));
}

TEST_F(AgentTest, WhatIsSaidAboutASourceMayComeBeforeItInTheBody) {
  AgentSandbox sandbox;
  auto push = [&](const std::string& length, const std::string& body) {
    return sandbox.call("POST", "/inject",
                        {{"Content-Type", "application/gzip"}, {"X-Vibed-Inject-Length", length}},
                        body);
  };
  std::string about =
      json{{"generation", 4}, {"env", {{"LONG", std::string(100'000, 'x')}}}}.dump();
  for (const char* length : {"x", "-1", "3", "3000000"})
    EXPECT_EQ(push(length, "{}").status(), 400) << length;
  EXPECT_EQ(push(std::to_string(about.size()), about + "no archive").status(), 400);
  Exchange events = sandbox.call("GET", "/events");
  json state = await_state(events, "failed");
  EXPECT_EQ(state["generation"], 4) << "it was understood";
  EXPECT_EQ(state["message"], "the archive is not gzip");
}

TEST_F(AgentTest, ASecondSourceIsRefused) {
  AgentSandbox sandbox;
  ASSERT_EQ(push_python(sandbox, python_server())["event"], "listening");
  Exchange second = sandbox.push({{"app.py", "x"}}, entry("python3 app.py"));
  EXPECT_EQ(second.status(), 409);
  EXPECT_TRUE(json::parse(second.rest()).contains("error"));
  EXPECT_EQ(sandbox.call("POST", "/inject", {}, R"({"files":{"a":"b"},"command":["x"]})").status(),
            409);
  EXPECT_EQ(body_of(sandbox.app("GET", "/x")), "GET /x 0");
}

TEST_F(AgentTest, OnceThereIsATokenEveryCallNeedsIt) {
  AgentSandbox sandbox;
  EXPECT_EQ(sandbox.call("GET", "/status").status(), 200);
  ASSERT_EQ(push_python(sandbox, python_server(), {{"token", "s3cret"}})["event"], "listening");
  for (const char* path : {"/status", "/logs", "/events"})
    EXPECT_EQ(sandbox.call("GET", path).status(), 401) << path;
  EXPECT_EQ(sandbox.call("POST", "/drain").status(), 401);
  EXPECT_EQ(sandbox.call("POST", "/stop", {{"Authorization", "Bearer wrong"}}).status(), 401);
  EXPECT_EQ(sandbox.call("GET", "/healthz").status(), 200);
  EXPECT_EQ(sandbox.call("GET", "/info").status(), 200);
  EXPECT_EQ(sandbox.call("GET", "/status", {{"Authorization", "Bearer s3cret"}}).status(), 200);
}

TEST_F(AgentTest, WhatCannotRunSaysWhy) {
  {
    AgentSandbox sandbox;
    Exchange stream = sandbox.push_bytes("not an archive", entry("x"));
    json last = stream.json_line();
    EXPECT_EQ(last["event"], "failed");
    EXPECT_EQ(last["reason"], "InjectFailed");
    Exchange events = sandbox.call("GET", "/events");
    json state = events.json_line();
    EXPECT_EQ(state["state"], "failed");
    EXPECT_EQ(state["reason"], "InjectFailed");
  }
  {
    AgentSandbox sandbox;
    Exchange stream = sandbox.push({{"readme.txt", "x"}}, {{"generation", 2}});
    EXPECT_EQ(stream.json_line()["event"], "extracted");
    json last = stream.json_line();
    EXPECT_EQ(last["reason"], "NoStartCommand");
    EXPECT_NE(last["message"], "");
  }
  {
    AgentSandbox sandbox;
    Exchange stream = sandbox.push({{"Procfile", "web: x"},
                                    {"app",
                                     "\x7f"
                                     "ELF"}},
                                   entry("./app"));
    json last;
    while (auto line = stream.line()) last = json::parse(*line);
    EXPECT_TRUE(last["event"] == "failed" || last["event"] == "exited") << last;
  }
}

TEST_F(AgentTest, ContractOneRequestsGetContractOneAnswers) {
  AgentSandbox sandbox(
      {{"VIBED_TEMPLATE_LANGUAGE", "python"}, {"VIBED_RUNTIME_PROBE", "python3 --version"}});
  json info = json::parse(body_of(sandbox.call("GET", "/info")));
  EXPECT_EQ(info["language"], "python");
  EXPECT_EQ(info["runtimeProbeOK"], true);
  EXPECT_TRUE(info["runtimeProbeOutput"].get<std::string>().starts_with("Python 3"));
  EXPECT_EQ(sandbox.call("GET", "/inject").status(), 405);
  EXPECT_EQ(sandbox.call("POST", "/inject", {}, R"({"language":"go","files":{"a":"b"}})").status(),
            400);

  json request = {{"language", "python"},
                  {"command", {"python3", "x.py"}},
                  {"files", {{"x.py", python_server()}, {"deep/er.txt", "1"}}}};
  json status = json::parse(body_of(sandbox.call("POST", "/inject", {}, request.dump())));
  EXPECT_EQ(status["state"], "running");
  EXPECT_EQ(status["command"], (json{"python3", "x.py"}));
  EXPECT_GT(status["pid"], 1);

  request["files"] = {{"x.py",
                       "import os\nprint(sorted(os.listdir('.')), flush=True)\n"
                       "os._exit(3)\n"}};
  json second = json::parse(body_of(sandbox.call("POST", "/inject", {}, request.dump())));
  EXPECT_NE(second["pid"], status["pid"]);
  Exchange events = sandbox.call("GET", "/events");
  await_state(events, "failed");
  status = json::parse(body_of(sandbox.call("GET", "/status")));
  EXPECT_EQ(status["state"], "failed");
  EXPECT_EQ(status["exitCode"], 3);
  EXPECT_EQ(json::parse(body_of(sandbox.call("GET", "/logs"))), (json{{"lines", {"['x.py']"}}}))
      << "the old tree is gone and nothing else is there";
  json idle = json::parse(body_of(sandbox.call("POST", "/stop")));
  EXPECT_EQ(idle["state"], "idle");
  EXPECT_FALSE(idle.contains("pid"));
  request["source_url"] = "http://127.0.0.1/x.tgz";
  request.erase("files");
  Exchange refused = sandbox.call("POST", "/inject", {}, request.dump());
  EXPECT_EQ(refused.status(), 400);
  EXPECT_EQ(json::parse(refused.rest())["error"], "source dial to 127.0.0.1 is not allowed");
}

TEST_F(AgentTest, ASourceThatCannotBePulledIsSaidSo) {
  AgentSandbox sandbox;
  Headers headers = {{"Content-Type", "application/gzip"},
                     {"X-Vibed-Inject", R"({"generation":3,"source_url":"http://127.0.0.1/x"})"}};
  Exchange refused = sandbox.call("POST", "/inject", headers, "");
  EXPECT_EQ(refused.status(), 400);
  EXPECT_EQ(json::parse(refused.rest())["error"], "source dial to 127.0.0.1 is not allowed");
  Exchange events = sandbox.call("GET", "/events");
  json failed = events.json_line();
  EXPECT_EQ(failed["state"], "failed");
  EXPECT_EQ(failed["reason"], "InjectFailed");
  EXPECT_EQ(failed["generation"], 3);
  EXPECT_EQ(sandbox.call("POST", "/inject", headers, "").status(), 409) << "one source, once";
}

TEST_F(AgentTest, ASourceIsTheBodyOrBehindAUrl) {
  AgentSandbox sandbox;
  const auto say = [&](const std::string& about, const std::string& body) {
    Headers headers = {{"Content-Type", "application/gzip"}, {"X-Vibed-Inject", about}};
    Exchange answer = sandbox.call("POST", "/inject", headers, body);
    EXPECT_EQ(answer.status(), 400);
    return json::parse(answer.rest())["error"].get<std::string>();
  };
  EXPECT_EQ(say("{}", ""), "the source is missing");
  EXPECT_EQ(say(R"({"source_url":"http://x/"})", "archive"),
            "the source is the body or at source_url, not both");
  Exchange events = sandbox.call("GET", "/events");
  EXPECT_EQ(events.json_line()["state"], "idle") << "the sandbox is not used up by that";
}

TEST_F(AgentTest, StoppingEndsWhatLeftTheGroupToo) {
  AgentSandbox sandbox;
  // A daemon: its own session, a parent that has ended, and deaf to SIGTERM.
  std::string program = python_server("127.0.0.1", "8080",
                                      "import signal\n"
                                      "if os.fork() == 0:\n"
                                      "  os.setsid()\n"
                                      "  if os.fork() > 0: os._exit(0)\n"
                                      "  signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                                      "  time.sleep(1000)\n"
                                      "os.wait()\n");
  json request = {{"command", {"python3", "x.py"}}, {"files", {{"x.py", program}}}};
  ASSERT_EQ(sandbox.call("POST", "/inject", {}, request.dump()).status(), 200);
  Exchange events = sandbox.call("GET", "/events");
  await_state(events, "listening");
  request["files"] = {{"x.py",
                       "import os\nprint(len([p for p in os.listdir('/proc') if "
                       "p.isdigit()]), flush=True)\n"}};
  ASSERT_EQ(sandbox.call("POST", "/inject", {}, request.dump()).status(), 200);
  await_state(events, "failed");
  EXPECT_EQ(json::parse(body_of(sandbox.call("GET", "/logs"))), (json{{"lines", {"2"}}}))
      << "init and the new app";
}

TEST_F(AgentTest, AHostileAppDoesNotBreakItsAgent) {
  AgentSandbox sandbox;
  // PID 1 gets no signal that it has no handler for; a sanitizer has handlers, which report a
  // crash.
  std::string before = VIBED_AGENT_SANITIZED ? "handled = {4, 5, 6, 7, 8, 11}" : "handled = set()";
  before += R"(
import ctypes, signal
libc = ctypes.CDLL(None, use_errno=True)
for number in (set(range(1, 32)) | set(range(34, 65))) - handled:
    try: os.kill(1, number)
    except OSError: pass
# A forged sender: siginfo of SI_QUEUE with pid 0.
for number in (15, 2):
    info = (ctypes.c_int * 32)(number, 0, -1)
    libc.syscall(129, 1, number, info)
for name in ('environ', 'mem', 'maps', 'fd/3', 'cwd/x'):
    try:
        open('/proc/1/' + name, 'rb').read(100)
        os.environ['FOUND'] = os.environ.get('FOUND', '') + ' ' + name
    except OSError: pass
if libc.ptrace(16, 1, 0, 0) == 0: os.environ['FOUND'] = 'ptrace'
for i in range(300):
    if os.fork() == 0:
        os.setsid()
        os._exit(0)
os.write(1, b'x' * 3000000)
os.write(2, b'\xff\xfe\n' * 200000)
for fd in range(3, 1024):
    try: os.close(fd)
    except OSError: pass
)";
  json last = push_python(sandbox, python_server("0.0.0.0", "", before));
  ASSERT_EQ(last["event"], "listening") << last;
  EXPECT_EQ(body_of(sandbox.app("GET", "/x")), "GET /x 0");
  EXPECT_EQ(body_of(sandbox.app("GET", "/env/FOUND")), "-") << "read of its agent";
  Exchange events = sandbox.call("GET", "/events");
  EXPECT_EQ(events.json_line()["restarts"], 0);
}

TEST_F(AgentTest, LimitsOfTheEnvironmentHoldForTheAppAlone) {
  AgentSandbox sandbox(
      {{"VIBED_AGENT_LIMIT_PROCESSES", "40"}, {"VIBED_AGENT_LIMIT_DATA", "300000000"}});
  json request = {{"command", {"sh", "-c", "ulimit -d; ulimit -c; cat /proc/self/oom_score_adj"}},
                  {"files", {{"x", "y"}}}};
  ASSERT_EQ(sandbox.call("POST", "/inject", {}, request.dump()).status(), 200);
  Exchange events = sandbox.call("GET", "/events");
  await_state(events, "failed");
  json lines = json::parse(body_of(sandbox.call("GET", "/logs")))["lines"];
  EXPECT_EQ(lines, (json{"292968", "0", "900"})) << "the kernel ends the app before its init";
  std::string proc = fmt::format("/proc/{}", sandbox.agent_pid());
  auto limits = read_file(proc + "/limits", 64 * 1024);
  ASSERT_TRUE(limits);
  EXPECT_EQ(limits->find("300000000"), std::string::npos);
  EXPECT_EQ(*read_file(proc + "/oom_score_adj", 64), *read_file("/proc/self/oom_score_adj", 64));
}

TEST_F(AgentTest, TermFromOutsideEndsAppAndAgentInOrder) {
  AgentSandbox sandbox;
  std::string before =
      "import signal\nsignal.signal(signal.SIGTERM, lambda *a: (print('bye', flush=True), "
      "os._exit(0)))\n";
  ASSERT_EQ(push_python(sandbox, python_server("0.0.0.0", "", before))["event"], "listening");
  Exchange events = sandbox.call("GET", "/events");
  Exchange logs = sandbox.call("GET", "/logs?lines=1&follow=1", kLines);
  EXPECT_EQ(events.json_line()["state"], "listening");
  ASSERT_EQ(::kill(sandbox.agent_pid(), SIGTERM), 0);
  EXPECT_EQ(await_state(events, "idle")["state"], "idle");
  EXPECT_FALSE(events.line()) << "end of the stream means the end of the sandbox";
  EXPECT_NE(logs.rest().find("bye"), std::string::npos);
  EXPECT_TRUE(sandbox.process().wait_exit(std::chrono::seconds(20)));
}

}  // namespace
}  // namespace vibed::agent
