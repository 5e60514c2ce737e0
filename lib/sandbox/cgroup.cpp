#include "sandbox/cgroup.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <sstream>

#include "base/files.hpp"

namespace vibed::sandbox {
namespace {

constexpr int kPeriodMicros = 100'000;

// Kernel files: written in place, never renamed.
Status put(const std::string& path, const std::string& text) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return errno_error("open " + path);
  if (::write(fd.get(), text.data(), text.size()) < 0) return errno_error("write " + path);
  return success();
}

bool writable(const std::string& path) { return ::access(path.c_str(), W_OK) == 0; }

std::string join(const std::string& mount, const std::string& path) {
  return path == "/" ? mount : mount + path;
}

bool has_word(const std::string& text, const std::string& word) {
  std::istringstream words(text);
  for (std::string each; words >> each;)
    if (each == word) return true;
  return false;
}

// Controller → path, as /proc/self/cgroup has it; "" is the unified hierarchy.
std::map<std::string, std::string> own_paths(const std::string& self) {
  std::map<std::string, std::string> paths;
  std::istringstream lines(self);
  for (std::string line; std::getline(lines, line);) {
    std::size_t first = line.find(':');
    std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::istringstream names(line.substr(first + 1, second - first - 1));
    std::string path = line.substr(second + 1);
    if (second == first + 1) paths[""] = path;
    for (std::string name; std::getline(names, name, ',');) paths[name] = path;
  }
  return paths;
}

// A folder in which we may make cgroups: tried, because only that tells (read-only mounts, owners).
bool can_make(const std::string& folder) {
  std::string trial = folder + "/vibed";
  if (::mkdir(trial.c_str(), 0755) != 0 && errno != EEXIST) return false;
  return writable(trial + "/cgroup.procs") || ::access(trial.c_str(), W_OK) == 0;
}

}  // namespace

Cgroups Cgroups::detect() {
  auto self = read_file("/proc/self/cgroup", 64 * 1024);
  return detect("/sys/fs/cgroup", self ? *self : "");
}

Cgroups Cgroups::detect(const std::string& mounts, const std::string& self) {
  Cgroups found;
  auto paths = own_paths(self);
  // Unified and delegated: our own cgroup is ours to divide. Processes may be in its leaves only,
  // so it is usable when it hands the controllers on, which is the delegator's doing or the
  // service manager's (see docs), never ours: a guest does not move the process it lives in.
  std::string own = join(mounts, paths.contains("") ? paths[""] : "/");
  if (auto handed = read_file(own + "/cgroup.subtree_control", 4096); handed && can_make(own)) {
    found.memory_ = has_word(*handed, "memory");
    found.pids_ = has_word(*handed, "pids");
    found.cpu_ = has_word(*handed, "cpu");
    found.unified_ = found.memory_ || found.pids_ || found.cpu_;
    if (found.unified_) {
      (void)put(own + "/vibed/cgroup.subtree_control",
                std::string(found.memory_ ? "+memory " : "") + (found.pids_ ? "+pids " : "") +
                    (found.cpu_ ? "+cpu" : ""));
      found.places_.push_back({"", own + "/vibed"});
      return found;
    }
  }
  for (const char* name : {"memory", "pids", "cpu"}) {
    std::string folder = join(mounts + "/" + name, paths.contains(name) ? paths[name] : "/");
    if (!paths.contains(name) || !can_make(folder)) continue;
    found.places_.push_back({name, folder + "/vibed"});
    std::string word = name;
    (word == "memory" ? found.memory_ : word == "pids" ? found.pids_ : found.cpu_) = true;
  }
  return found;
}

Status Cgroups::set_limits(const Place& place, const std::string& folder,
                           const CgroupLimits& limits) const {
  auto file = [&](const char* name) { return folder + "/" + name; };
  const bool all = place.controller.empty();
  const auto quota = static_cast<std::int64_t>(limits.cpus * kPeriodMicros);
  Status done = success();
  auto set = [&](const char* name, const std::string& text) {
    if (done) done = put(file(name), text);
  };
  if (limits.memory > 0 && place.controller == "memory") {
    set("memory.limit_in_bytes", std::to_string(limits.memory));
    // Only there when the kernel accounts swap.
    if (writable(file("memory.memsw.limit_in_bytes")))
      set("memory.memsw.limit_in_bytes", std::to_string(limits.memory));
  }
  if (limits.memory > 0 && all && memory_) {
    set("memory.max", std::to_string(limits.memory));
    if (writable(file("memory.swap.max"))) set("memory.swap.max", "0");
  }
  if (limits.processes > 0 && (place.controller == "pids" || (all && pids_)))
    set("pids.max", std::to_string(limits.processes));
  if (quota > 0 && place.controller == "cpu") {
    set("cpu.cfs_period_us", std::to_string(kPeriodMicros));
    set("cpu.cfs_quota_us", std::to_string(quota));
  }
  if (quota > 0 && all && cpu_) set("cpu.max", fmt::format("{} {}", quota, kPeriodMicros));
  return done;
}

Result<Cgroup> Cgroups::make(const std::string& name, const CgroupLimits& limits) const {
  Cgroup made;
  for (const Place& place : places_) {
    std::string folder = place.folder + "/" + name;
    if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
      Error error = errno_error("make cgroup " + folder);
      (void)remove_cgroup(made.folders);
      return error;
    }
    made.folders.push_back(folder);
    auto set = set_limits(place, folder, limits);
    Fd procs(::open((folder + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!set || !procs) {
      Error error = set ? errno_error("open " + folder + "/cgroup.procs") : std::move(set).error();
      (void)remove_cgroup(made.folders);
      return error;
    }
    made.procs.push_back(std::move(procs));
  }
  return made;
}

std::vector<std::string> Cgroups::folders(const std::string& name) const {
  std::vector<std::string> result;
  for (const Place& place : places_) result.push_back(place.folder + "/" + name);
  return result;
}

Status remove_cgroup(const std::vector<std::string>& folders) {
  Status done = success();
  for (const std::string& folder : folders)
    if (::rmdir(folder.c_str()) != 0 && errno != ENOENT)
      done = errno_error("remove cgroup " + folder);
  return done;
}

LimitsInForce limits_in_force() {
  Cgroups found = Cgroups::detect();
  const std::string version = found.unified() ? "cgroup v2" : "cgroup v1";
  LimitsInForce result;
  result.memory = found.memory() ? version : "RLIMIT_DATA of each process";
  result.processes = found.processes() ? version : "RLIMIT_NPROC";
  result.cpu = found.cpu() ? version : "none";
  result.disk = "tmpfs";
  result.identity = ::geteuid() == 0 ? "a host uid of its own" : "the uid of vibed";
  if (!found.memory() || !found.processes() || !found.cpu())
    result.advice =
        "run vibed as root or as a systemd service with Delegate=yes to bound memory and CPU of a "
        "whole sandbox";
  return result;
}

}  // namespace vibed::sandbox
