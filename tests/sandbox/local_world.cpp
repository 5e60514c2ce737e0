#include "local_world.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <mutex>

#include "base/fd.hpp"
#include "base/files.hpp"
#include "process/run.hpp"

namespace vibed::sandbox {
namespace {

class EchoStore final : public SourceStore {
 public:
  Result<StoredSource> put(const std::string&, std::int64_t, ByteSource&) override {
    return Error{Errc::internal, "not for this test"};
  }
  Result<std::unique_ptr<ByteSource>> open(const std::string& key) override {
    if (key == "missing") return Error{Errc::not_found, "no such source"};
    if (key.starts_with("/")) return open_file_source(key);
    // The text outlives the source: it is kept here.
    std::lock_guard lock(mutex_);
    keys_.push_back(std::make_unique<std::string>(key));
    return make_memory_source(*keys_.back());
  }
  Result<std::string> url(const std::string&, std::chrono::seconds) override {
    return Error{Errc::unavailable, "not for this test"};
  }
  Status remove(const std::string&) override { return success(); }
  Result<std::vector<StoredSource>> list() override { return std::vector<StoredSource>(); }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<std::string>> keys_;
};

}  // namespace

std::unique_ptr<SourceStore> make_echo_store() { return std::make_unique<EchoStore>(); }

Template plain_template(const std::string& name, int size) {
  Template about;
  about.name = name;
  about.lane = "general";
  about.language = "python";
  about.size = size;
  about.available = true;
  about.runtime_version = "python 3";
  about.runtimes = {{"python", "/usr/bin/python3", "3", {}, {}}};
  return about;
}

std::string why_no_sandboxes() {
  auto bubblewrap = find_bubblewrap("");
  if (!bubblewrap) return bubblewrap.error().message;
  if (::access("/usr/bin/python3", X_OK) != 0) return "there is no /usr/bin/python3";
  RunOptions options;
  options.timeout = std::chrono::seconds(10);
  auto tried =
      run({*bubblewrap, "--unshare-user", "--unshare-net", "--ro-bind", "/", "/", "true"}, options);
  if (!tried || !tried->status.ok())
    return "bubblewrap cannot make a sandbox here: " + (tried ? tried->err : "it did not run");
  return "";
}

std::string real_agent() { return VIBED_BINARY_DIR "/apps/vibed-agent/vibed-agent"; }
std::string fake_agent() { return VIBED_SOURCE_DIR "/tests/sandbox/fake_agent.py"; }

std::string talk(const std::string& path, const std::string& text) {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return "refused";
  if (::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0) return "refused";
  std::string answer;
  char buffer[4096];
  for (ssize_t count; (count = ::recv(fd.get(), buffer, sizeof buffer, 0)) > 0;)
    answer.append(buffer, static_cast<std::size_t>(count));
  return answer;
}

LocalWorld::LocalWorld(std::string agent, int warm) {
  base.templates = {plain_template("python-313", warm)};
  base.pool.sizes = {{"python-313", warm}};
  base.agent = std::move(agent);
  base.drain_time = std::chrono::milliseconds(300);
  base.sandbox.workspace = 32 * 1024 * 1024;
  base.sandbox.tmp = 8 * 1024 * 1024;
  base.sandbox.memory = 256 * 1024 * 1024;
  open();
}

LocalPoolOptions LocalWorld::options() const {
  LocalPoolOptions options = base;
  options.run_directory = data / "run";
  options.cache_directory = data / "cache";
  options.sources = sources.get();
  return options;
}

void LocalWorld::open() {
  pool.reset();
  auto opened = open_local_sandbox_pool(options());
  ASSERT_TRUE(opened) << opened.error().message;
  pool = std::move(*opened);
}

std::string LocalWorld::state(const std::string& id) const {
  auto text = read_file(data / ("run/sandboxes/" + id + "/state.json"), 65536);
  return text ? *text : "";
}

}  // namespace vibed::sandbox
