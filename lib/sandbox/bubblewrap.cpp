#include "sandbox/bubblewrap.hpp"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

namespace vibed::sandbox {
namespace fs = std::filesystem;
namespace {

constexpr const char* kBinInside = "/vibed/bin";

std::string file_name(const std::string& path) { return fs::path(path).filename().string(); }

// Names a runtime goes by inside: an app that says `python3` gets the interpreter that was found,
// not whichever comes first in PATH.
std::set<std::string> names_of(const Runtime& runtime) {
  std::set<std::string> names = {runtime.name, file_name(runtime.program)};
  if (runtime.name.starts_with("python")) names.insert({"python", "python3"});
  return names;
}

bool below(const std::string& path, const std::string& folder) {
  return path == folder || path.starts_with(folder + "/");
}

// A folder that is mounted anyway, or that would cover something of ours.
bool mounted_already(const std::string& folder) {
  for (const char* known : {"/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/vibed"})
    if (below(folder, known)) return true;
  return folder.empty() || folder == "/" || folder.front() != '/';
}

class Arguments {
 public:
  void add(std::initializer_list<std::string> words) {
    all_.insert(all_.end(), words.begin(), words.end());
  }
  std::vector<std::string> take() { return std::move(all_); }

 private:
  std::vector<std::string> all_;
};

void add_namespaces(Arguments& out) {
  out.add({"--unshare-user", "--uid", "1000", "--gid", "1000", "--unshare-pid", "--unshare-net",
           "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--disable-userns",
           "--as-pid-1", "--new-session", "--hostname", "sandbox", "--cap-drop", "ALL"});
}

void add_folders(Arguments& out, const BubblewrapSetup& setup, const Template& from) {
  out.add({"--ro-bind", "/usr", "/usr"});
  for (const RootEntry& entry : setup.root) {
    if (entry.target.empty())
      out.add({"--ro-bind", entry.path, entry.path});
    else
      out.add({"--symlink", entry.target, entry.path});
  }
  std::set<std::string> folders;
  for (const Runtime& runtime : from.runtimes)
    for (const std::string& folder : runtime.folders)
      if (!mounted_already(folder)) folders.insert(folder);
  for (const std::string& folder : folders) out.add({"--ro-bind", folder, folder});
  out.add({"--ro-bind", setup.etc, "/etc"});
  for (const std::string& folder : setup.etc_host) out.add({"--ro-bind", folder, folder});
}

void add_writable(Arguments& out, const BubblewrapSetup& setup) {
  const std::string tmp = std::to_string(setup.tmp_bytes);
  out.add({"--proc", "/proc", "--dev", "/dev"});
  // What --dev makes is a tmpfs without a limit: only shm stays writable, with one.
  out.add({"--perms", "1777", "--size", tmp, "--tmpfs", "/dev/shm", "--remount-ro", "/dev"});
  out.add({"--perms", "1777", "--size", tmp, "--tmpfs", "/tmp"});
  out.add({"--perms", "0755", "--size", std::to_string(setup.workspace_bytes), "--tmpfs",
           "/workspace"});
  out.add({"--dir", "/var", "--symlink", "/tmp", "/var/tmp", "--symlink", "/tmp", "/run"});
  out.add({"--symlink", "/tmp", "/var/run"});
}

void add_ours(Arguments& out, const BubblewrapSetup& setup, const Template& from) {
  out.add({"--dir", "/vibed", "--dir", kBinInside, "--ro-bind", setup.agent, kAgentInside});
  if (!setup.go_cache.empty()) out.add({"--ro-bind", setup.go_cache, kGoCacheInside});
  std::set<std::string> taken;
  for (const Runtime& runtime : from.runtimes) {
    if (runtime.program.empty()) continue;
    for (const std::string& name : names_of(runtime))
      if (taken.insert(name).second)
        out.add({"--symlink", runtime.program, std::string(kBinInside) + "/" + name});
  }
}

bool has_go(const Template& from) {
  return std::any_of(from.runtimes.begin(), from.runtimes.end(),
                     [](const Runtime& runtime) { return runtime.name == "go"; });
}

}  // namespace

std::vector<RootEntry> host_root_entries() {
  std::vector<RootEntry> entries;
  for (const char* path : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    std::error_code error;
    auto status = fs::symlink_status(path, error);
    if (fs::is_symlink(status))
      entries.push_back({path, fs::read_symlink(path, error).string()});
    else if (fs::is_directory(status))
      entries.push_back({path, ""});
  }
  return entries;
}

std::map<std::string, std::string> sandbox_environment(const BubblewrapSetup& setup,
                                                       const Template& from) {
  std::map<std::string, std::string> env = {
      {"PATH", std::string(kBinInside) + ":/usr/local/bin:/usr/bin:/bin"},
      {"HOME", "/workspace"},
      {"USER", "app"},
      {"LOGNAME", "app"},
      {"SHELL", "/bin/sh"},
      {"LANG", "C.UTF-8"},
      {"TMPDIR", "/tmp"},
      {"VIBED_SANDBOX_ID", setup.id},
      {"VIBED_AGENT_CONTROL_FD", std::to_string(kControlFd)},
      {"VIBED_AGENT_RELAY_FD", std::to_string(kRelayFd)},
      {"VIBED_AGENT_WORKDIR", "/workspace"},
      {"VIBED_AGENT_APP_PORT", "8080"},
      {"VIBED_TEMPLATE_NAME", from.name},
      {"VIBED_TEMPLATE_LANGUAGE", from.language},
  };
  if (has_go(from)) {
    env.insert({{"GOCACHE", "/workspace/.cache/go-build"},
                {"GOPATH", "/tmp/go"},
                {"GOMODCACHE", "/tmp/go/mod"},
                {"GOFLAGS", "-buildvcs=false"},
                {"GOPROXY", "off"},
                {"GOSUMDB", "off"},
                {"GOTOOLCHAIN", "local"},
                {"GOTELEMETRY", "off"},
                {"CGO_ENABLED", "0"}});
    if (!setup.go_cache.empty()) {
      env["GOCACHE"] = "/tmp/gocache";
      env["VIBED_AGENT_LINK_TREES"] = std::string(kGoCacheInside) + "=/tmp/gocache";
    }
  }
  if (setup.limit_processes > 0)
    env["VIBED_AGENT_LIMIT_PROCESSES"] = std::to_string(setup.limit_processes);
  if (setup.limit_data > 0) env["VIBED_AGENT_LIMIT_DATA"] = std::to_string(setup.limit_data);
  if (!from.parked.empty()) env["VIBED_AGENT_PARKED"] = nlohmann::json(from.parked).dump();
  for (const Runtime& runtime : from.runtimes)
    for (const auto& [name, value] : runtime.env) env[name] = value;
  for (const auto& [name, value] : from.env) env[name] = value;
  return env;
}

std::vector<std::string> bubblewrap_argv(const BubblewrapSetup& setup, const Template& from) {
  Arguments out;
  out.add({setup.bubblewrap});
  add_namespaces(out);
  out.add({"--clearenv"});
  for (const auto& [name, value] : sandbox_environment(setup, from))
    out.add({"--setenv", name, value});
  add_folders(out, setup, from);
  add_writable(out, setup);
  add_ours(out, setup, from);
  // Last: nothing may be made at the root, a tmpfs without a limit, after this.
  out.add({"--remount-ro", "/", "--chdir", "/workspace"});
  out.add({"--info-fd", std::to_string(kInfoFd)});
  if (setup.seccomp) out.add({"--seccomp", std::to_string(kSeccompFd)});
  out.add({"--", kAgentInside});
  return out.take();
}

}  // namespace vibed::sandbox
