// How a delegated cgroup v2 becomes two: a leaf for vibed, and one above all sandboxes. The kernel
// hands controllers on only from cgroups without processes, so vibed has to move out of the way.
#pragma once

#include <sys/types.h>
#include <string>
#include <vector>

#include "vibed/result.hpp"

namespace vibed::sandbox {

inline constexpr const char* kOwnLeaf = "vibed";            // <delegated>/vibed: this process
inline constexpr const char* kSandboxesLeaf = "sandboxes";  // <delegated>/sandboxes/<id>

// The cgroup that may be divided, as a path of the hierarchy: `own`, or what is above it when this
// process is in the leaf already (its predecessor's doing, or the service manager's).
std::string delegated_path(const std::string& own);

// What was found there.
struct DelegatedCgroup {
  bool in_leaf = false;         // this process is in <delegated>/vibed
  bool writable = false;        // we may make cgroups and move processes there
  std::string controllers;      // text of cgroup.controllers: what could be handed on
  std::string subtree_control;  // of cgroup.subtree_control: what is
  std::vector<pid_t> members;   // of cgroup.procs; processes of other namespaces are 0
  pid_t self = 0;
};

struct CgroupDivision {
  std::string obstacle;             // why nothing can be done; empty: the rest holds
  bool move = false;                // this process, into the leaf
  std::vector<std::string> enable;  // "+memory": for the subtree, one write each
};

// Pure. A cgroup with processes of somebody else is shared, not delegated, and left alone.
CgroupDivision plan_division(const DelegatedCgroup& found);

// Does it, under `mounts`, for the process that `self` (the text of /proc/self/cgroup) is about.
// `unavailable` with the reason when this is not a delegated cgroup v2; then nothing was changed.
// Before there are children and by the process whose cgroup it is to divide, not by a guest.
Status divide_own_cgroup(const std::string& mounts, const std::string& self);
Status divide_own_cgroup();

}  // namespace vibed::sandbox
