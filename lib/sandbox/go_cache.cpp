#include "sandbox/go_cache.hpp"

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>

#include "base/files.hpp"
#include "base/ids.hpp"
#include "process/spawn.hpp"

namespace vibed::sandbox {
namespace fs = std::filesystem;
namespace {

using namespace std::chrono_literals;

constexpr auto kLimit = 15min;
constexpr const char* kDone = "/.complete";

std::string go_version(const Runtime& go) {
  std::string name;
  for (char c : go.version)
    name += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ? c : '-';
  return name;
}

// The cache's keys hold the place of the toolchain, and whether cgo is on: as in the sandbox.
std::vector<std::string> environment(const Runtime& go, const std::string& cache) {
  std::vector<std::string> env = {"PATH=/usr/local/bin:/usr/bin:/bin",
                                  "HOME=" + cache,
                                  "GOCACHE=" + cache,
                                  "GOPATH=" + cache + "/.path",
                                  "GOPROXY=off",
                                  "GOFLAGS=-buildvcs=false",
                                  "GOTOOLCHAIN=local",
                                  "GOTELEMETRY=off",
                                  "CGO_ENABLED=0",
                                  "GOENV=off"};
  for (const auto& [name, value] : go.env) env.push_back(name + "=" + value);
  return env;
}

// Other uids read it.
void open_to_all(const std::string& folder) {
  std::error_code error;
  constexpr auto read = fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read;
  constexpr auto search = fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec;
  fs::permissions(folder, read | search, fs::perm_options::add, error);
  for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
    std::error_code each;
    auto wanted = entry.is_directory(each) ? read | search : read;
    fs::permissions(entry.path(), wanted, fs::perm_options::add, each);
  }
}

Status run_build(const Runtime& go, const std::string& cache, const std::stop_token& stop) {
  SpawnOptions options;
  // The nicest there is: a deploy on the same cores goes first.
  options.argv = {"nice", "-n", "19", go.program, "build", "std"};
  options.env = environment(go, cache);
  options.cwd = "/";
  options.new_session = true;
  options.umask = 022;
  auto process = spawn(options);
  if (!process) return std::move(process).error().during("compile Go's standard library");
  Process& running = *process;
  std::stop_callback end(stop, [&] { (void)running.signal_group(SIGKILL); });
  bool ended = running.wait_exit(kLimit);
  if (!ended) (void)running.signal_group(SIGKILL);
  auto status = running.reap();
  if (stop.stop_requested()) return Error{Errc::cancelled, "stopped compiling"};
  if (!ended)
    return Error{Errc::deadline_exceeded, "compiling Go's standard library took too long"};
  if (!status || !status->ok())
    return Error{Errc::unavailable, go.program + " could not compile its standard library"};
  return success();
}

}  // namespace

const Runtime* go_runtime(const Template& from) {
  auto at = std::find_if(from.runtimes.begin(), from.runtimes.end(),
                         [](const Runtime& runtime) { return runtime.name == "go"; });
  return at == from.runtimes.end() ? nullptr : &*at;
}

std::string go_cache_name(const Runtime& go) {
  return "go-" + go_version(go) + "-" + to_hex(sha256(go.program)).substr(0, 8);
}

bool go_cache_ready(const std::string& directory, const Runtime& go) {
  std::error_code error;
  return fs::exists(directory + "/" + go_cache_name(go) + kDone, error);
}

Status build_go_cache(const std::string& directory, const Runtime& go, std::stop_token stop) {
  std::string cache = directory + "/" + go_cache_name(go);
  if (auto made = make_directories(cache); !made) return made;
  auto built = run_build(go, cache, stop);
  if (!built) return built;
  open_to_all(cache);
  return write_file(cache + kDone, go.version + "\n", Durability::unsynced);
}

}  // namespace vibed::sandbox
