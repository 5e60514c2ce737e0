// Cgroups bound what a sandbox may use, where the kernel lets us make them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "vibed/result.hpp"

namespace vibed::sandbox {

struct CgroupLimits {
  std::int64_t memory = 0;  // bytes
  int processes = 0;
  double cpus = 0;

  friend bool operator==(const CgroupLimits&, const CgroupLimits&) = default;
};

// What bounds a sandbox on this machine, for `vibed doctor` and for tests.
struct LimitsInForce {
  std::string memory;     // "cgroup v1", "cgroup v2", "RLIMIT_DATA of each process"
  std::string processes;  // "cgroup v1", "cgroup v2", "RLIMIT_NPROC"
  std::string cpu;        // "cgroup v1", "cgroup v2", "none"
  std::string disk;       // "tmpfs"
  std::string identity;   // "a host uid of its own" or "the uid of vibed"
  std::string advice;     // how to get better ones; empty when there are none
};

// The cgroup of one sandbox: a folder for each hierarchy. Not removed by its destructor.
struct Cgroup {
  std::vector<std::string> folders;
  std::vector<Fd> procs;  // open cgroup.procs, for SpawnOptions::cgroup_procs
};

// The places of this machine where sandboxes get their cgroups. Any thread.
class Cgroups {
 public:
  // Looks once what the process may make, under `mounts` (normally /sys/fs/cgroup), as `self`
  // (normally the text of /proc/self/cgroup) says where it is.
  static Cgroups detect(const std::string& mounts, const std::string& self);
  static Cgroups detect();

  bool memory() const { return memory_; }
  bool processes() const { return pids_; }
  bool cpu() const { return cpu_; }
  bool unified() const { return unified_; }

  // Makes the cgroup `name`; nothing in it when there is nowhere to make one.
  Result<Cgroup> make(const std::string& name, const CgroupLimits& limits) const;

  // Sets the limits of a sandbox that runs again: controllers that were taken back from above it
  // and handed on once more begin with none. `folders` as in Cgroup; those elsewhere are left
  // alone.
  Status renew(const std::vector<std::string>& folders, const CgroupLimits& limits) const;

  // The folders make(name) would make, whether they are there or not.
  std::vector<std::string> folders(const std::string& name) const;

 private:
  struct Place {
    std::string controller;  // "memory", "pids", "cpu"; of the unified hierarchy: all in one
    std::string folder;      // in which that of a sandbox is made
  };

  bool use_unified(const std::string& folder);
  Status set_limits(const Place& place, const std::string& folder,
                    const CgroupLimits& limits) const;

  std::vector<Place> places_;
  bool unified_ = false;
  bool memory_ = false;
  bool pids_ = false;
  bool cpu_ = false;
};

// Removes folders of a Cgroup that nothing runs in any more; what is gone is a success.
Status remove_cgroup(const std::vector<std::string>& folders);

// What is in force for sandboxes made by this process.
LimitsInForce limits_in_force();

}  // namespace vibed::sandbox
