#include "sandbox/cgroup.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/files.hpp"
#include "sandbox/cgroup_division.hpp"
#include "sandbox/cgroup_files.hpp"

namespace vibed::sandbox {
namespace {

constexpr int kPeriodMicros = 100'000;

bool writable(const std::string& path) { return ::access(path.c_str(), W_OK) == 0; }

// A folder in which we may make cgroups: tried, because only that tells (read-only mounts, owners).
bool can_make(const std::string& folder, const char* name) {
  std::string trial = folder + "/" + name;
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
  auto paths = own_cgroup_paths(self);
  // Unified: where controllers are handed on. Processes may be in leaves only, so that is what is
  // above us, after divide_own_cgroup(), or our own when somebody else saw to it.
  std::string own = paths.contains("") ? paths[""] : "/";
  for (const std::string& path : {delegated_path(own), own}) {
    if (found.use_unified(cgroup_folder(mounts, path))) return found;
  }
  for (const char* name : {"memory", "pids", "cpu"}) {
    std::string folder =
        cgroup_folder(mounts + "/" + name, paths.contains(name) ? paths[name] : "/");
    if (!paths.contains(name) || !can_make(folder, "vibed")) continue;
    found.places_.push_back({name, folder + "/vibed"});
    std::string word = name;
    (word == "memory" ? found.memory_ : word == "pids" ? found.pids_ : found.cpu_) = true;
  }
  return found;
}

bool Cgroups::use_unified(const std::string& folder) {
  auto handed = read_file(folder + "/cgroup.subtree_control", 4096);
  if (!handed) return false;
  memory_ = has_word(*handed, "memory");
  pids_ = has_word(*handed, "pids");
  cpu_ = has_word(*handed, "cpu");
  unified_ = (memory_ || pids_ || cpu_) && can_make(folder, kSandboxesLeaf);
  if (!unified_) {
    memory_ = pids_ = cpu_ = false;
    return false;
  }
  std::string all = folder + "/" + kSandboxesLeaf;
  for (const auto& [name, there] :
       {std::pair("+memory", memory_), {"+pids", pids_}, {"+cpu", cpu_}})
    if (there) (void)put_cgroup_file(all + "/cgroup.subtree_control", name);
  places_.push_back({"", all});
  return true;
}

Status Cgroups::set_limits(const Place& place, const std::string& folder,
                           const CgroupLimits& limits) const {
  auto file = [&](const char* name) { return folder + "/" + name; };
  const bool all = place.controller.empty();
  const auto quota = static_cast<std::int64_t>(limits.cpus * kPeriodMicros);
  Status done = success();
  auto set = [&](const char* name, const std::string& text) {
    if (done) done = put_cgroup_file(file(name), text);
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

Status Cgroups::renew(const std::vector<std::string>& folders, const CgroupLimits& limits) const {
  for (const std::string& folder : folders) {
    for (const Place& place : places_) {
      if (!folder.starts_with(place.folder + "/")) continue;
      if (Status set = set_limits(place, folder, limits); !set) return set;
    }
  }
  return success();
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
        "run vibed as a systemd service with Delegate=yes (docs/systemd.md), or as root with "
        "cgroup v1, to "
        "bound memory and CPU of a whole sandbox";
  return result;
}

}  // namespace vibed::sandbox
