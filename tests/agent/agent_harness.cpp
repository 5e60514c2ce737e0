#include "agent/agent_harness.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>

#include <fmt/format.h>

#include "base/files.hpp"
#include "process/run.hpp"
#include "process/seccomp.hpp"
#include "process/spawn.hpp"
#include "vibed/archive.hpp"

namespace vibed::agent {
namespace {

using vibed::testing::TempDir;

const std::string kAgent = std::string(VIBED_BINARY_DIR) + "/apps/vibed-agent/vibed-agent";

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

Fd listen_at(const std::string& path) {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = address_of(path);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(fd.get(), 128), 0);
  return fd;
}

// ctest may give several programs of one machine little time each.
Fd dial(const std::string& path) {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = address_of(path);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return Fd();
  timeval limit{20, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return fd;
}

Fd filter_file() {
  Fd fd(::memfd_create("filter", MFD_CLOEXEC));
  auto bytes = sandbox_filter();
  EXPECT_TRUE(bytes);
  EXPECT_EQ(::write(fd.get(), bytes->data(), bytes->size()), static_cast<ssize_t>(bytes->size()));
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

// As the local pool does it: nobody's uid, no capabilities, the filter of every sandbox.
std::vector<std::string> sandbox_command() {
  std::vector<std::string> command = {
      "bwrap", "--unshare-all", "--unshare-user",   "--uid", "1000",
      "--gid", "1000",          "--cap-drop",       "ALL",   "--seccomp",
      "5",     "--as-pid-1",    "--die-with-parent"};
  for (const char* folder : {"/usr", "/etc"})
    command.insert(command.end(), {"--ro-bind", folder, folder});
  for (const char* name : {"bin", "lib", "lib64"})
    command.insert(command.end(),
                   {"--symlink", fmt::format("usr/{}", name), fmt::format("/{}", name)});
  command.insert(command.end(), {"--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs",
                                 "/workspace", "--ro-bind", kAgent, "/agent", "--clearenv"});
  return command;
}

}  // namespace

Exchange::Exchange(const std::string& socket, const std::string& request) : fd_(dial(socket)) {
  if (!fd_ || !send(request)) reset_ = true;
  std::size_t end = std::string::npos;
  while ((end = raw_.find("\r\n\r\n")) == std::string::npos) {
    if (!receive()) return;
  }
  head_ = raw_.substr(0, end + 2);
  raw_.erase(0, end + 4);
  status_ = std::atoi(head_.c_str() + 9);
  chunked_ = head_.find("chunked") != std::string::npos;
}

bool Exchange::send(const std::string& text) {
  std::string_view left = text;
  while (!left.empty()) {
    ssize_t count = ::send(fd_.get(), left.data(), left.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    left.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

bool Exchange::receive() {
  char buffer[16 * 1024];
  ssize_t count = fd_ ? ::recv(fd_.get(), buffer, sizeof buffer, 0) : -1;
  if (count <= 0) {
    ended_ = true;
    reset_ = reset_ || (count < 0 && errno == ECONNRESET);
    return false;
  }
  raw_.append(buffer, static_cast<std::size_t>(count));
  return true;
}

// Moves what is whole from raw_ to body_. False: nothing was.
bool Exchange::decode() {
  if (!chunked_) {
    body_ += raw_;
    bool some = !raw_.empty();
    raw_.clear();
    return some;
  }
  std::size_t end = raw_.find("\r\n");
  if (end == std::string::npos) return false;
  std::size_t size = std::stoul(raw_, nullptr, 16);
  if (size == 0) {
    ended_ = true;
    return false;
  }
  if (raw_.size() < end + 2 + size + 2) return false;
  body_ += raw_.substr(end + 2, size);
  raw_.erase(0, end + 2 + size + 2);
  return true;
}

std::optional<std::string> Exchange::line() {
  for (;;) {
    std::size_t end = body_.find('\n');
    if (end != std::string::npos) {
      std::string text = body_.substr(0, end);
      body_.erase(0, end + 1);
      if (!text.empty()) return text;
    } else if (!decode() && (ended_ || !receive())) {
      return std::nullopt;
    }
  }
}

nlohmann::json Exchange::json_line() {
  auto text = line();
  return text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
}

std::string Exchange::rest() {
  while (!ended_) {
    if (!decode() && !ended_) receive();
  }
  decode();
  return std::exchange(body_, "");
}

std::string Exchange::read_raw(std::size_t size) {
  while (raw_.size() < size && receive()) {
  }
  std::string text = raw_.substr(0, size);
  raw_.erase(0, size);
  return text;
}

std::string request_text(const std::string& method, const std::string& path, const Headers& headers,
                         const std::string& body) {
  std::string text = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
  for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
  if (!body.empty() || method == "POST") text += fmt::format("Content-Length: {}\r\n", body.size());
  return text + "\r\n" + body;
}

bool AgentSandbox::possible() {
  auto result = run({"bwrap", "--unshare-all", "--ro-bind", "/usr", "/usr", "--symlink",
                     "usr/lib64", "/lib64", "--symlink", "usr/lib", "/lib", "/usr/bin/true"});
  return result && result->status.ok();
}

AgentSandbox::AgentSandbox(const Headers& environment) {
  Fd control = listen_at(control_socket());
  Fd relay = listen_at(app_socket());
  Headers all = {{"PATH", "/usr/bin:/bin"},
                 {"VIBED_AGENT_CONTROL_FD", "3"},
                 {"VIBED_AGENT_RELAY_FD", "4"},
                 {"VIBED_TEMPLATE_NAME", "base-al2023"},
                 {"ASAN_OPTIONS", "detect_leaks=0"}};  // which needs to be traceable
  for (const auto& [name, value] : environment) all[name] = value;
  SpawnOptions options;
  options.argv = sandbox_command();
  for (const auto& [name, value] : all)
    options.argv.insert(options.argv.end(), {"--setenv", name, value});
  options.argv.emplace_back("/agent");
  options.stderr_fd = STDERR_FILENO;
  Fd filter = filter_file();
  options.fds = {{control.get(), 3}, {relay.get(), 4}, {filter.get(), 5}};
  auto process = spawn(options);
  EXPECT_TRUE(process) << process.error().message;
  if (process) process_ = *std::move(process);
  control.reset();
  relay.reset();
  EXPECT_EQ(call("GET", "/healthz").status(), 200);
}

AgentSandbox::~AgentSandbox() {
  if (!process_) return;
  (void)process_.signal(SIGKILL);
  (void)process_.reap();
}

Exchange AgentSandbox::call(const std::string& method, const std::string& path,
                            const Headers& headers, const std::string& body) const {
  return Exchange(control_socket(), request_text(method, path, headers, body));
}

Exchange AgentSandbox::app(const std::string& method, const std::string& path,
                           const Headers& headers, const std::string& body) const {
  return Exchange(app_socket(), request_text(method, path, headers, body));
}

Exchange AgentSandbox::push(const std::map<std::string, std::string>& files,
                            nlohmann::json meta) const {
  TempDir tree;
  for (const auto& [path, text] : files) {
    EXPECT_TRUE(make_directories(std::filesystem::path(tree / path).parent_path().string()));
    EXPECT_TRUE(write_file(tree / path, text, Durability::unsynced));
  }
  std::string archive;
  auto packed = pack_directory(tree.path(), [&](std::string_view bytes) {
    archive += bytes;
    return success();
  });
  EXPECT_TRUE(packed) << packed.error().message;
  return push_bytes(archive, std::move(meta));
}

Exchange AgentSandbox::push_bytes(const std::string& archive, nlohmann::json meta) const {
  return call("POST", "/inject",
              {{"Content-Type", "application/gzip"},
               {"Accept", "application/x-ndjson"},
               {"X-Vibed-Inject", meta.dump()}},
              archive);
}

pid_t AgentSandbox::agent_pid() const {
  std::string outer = std::to_string(process_.pid());
  auto children = read_file("/proc/" + outer + "/task/" + outer + "/children", 4096);
  return children ? static_cast<pid_t>(std::atoi(children->c_str())) : 0;
}

std::string python_server(const std::string& host, const std::string& port,
                          const std::string& before) {
  return fmt::format(R"(import http.server, os, socket, sys, time
{}
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ':' in '{}' else socket.AF_INET
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        if self.path == '/crash':
            os._exit(3)
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        text = ('%s %s %d' % (self.command, self.path, len(body))).encode()
        if self.path.startswith('/env/'):
            text = os.environ.get(self.path[5:], '-').encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    do_GET = do_POST = answer
    def log_message(self, *args):
        print('request', self.path, flush=True)
Server(('{}', int('{}' or os.environ['PORT'])), Handler).serve_forever()
)",
                     before, host, host, port);
}

}  // namespace vibed::agent
