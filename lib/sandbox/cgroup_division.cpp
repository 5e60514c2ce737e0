#include "sandbox/cgroup_division.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>

#include "base/fd.hpp"
#include "base/files.hpp"
#include "sandbox/cgroup_files.hpp"

namespace vibed::sandbox {
namespace {

constexpr std::array kWanted = {"memory", "pids", "cpu"};

bool is_leaf(const std::string& own) { return own.ends_with(std::string("/") + kOwnLeaf); }

std::string text_of(const std::string& path) {
  auto text = read_file(path, 64 * 1024);
  return text ? *std::move(text) : std::string();
}

DelegatedCgroup look_at(const std::string& folder, bool in_leaf) {
  DelegatedCgroup found;
  found.in_leaf = in_leaf;
  found.self = ::getpid();
  found.controllers = text_of(folder + "/cgroup.controllers");
  found.subtree_control = text_of(folder + "/cgroup.subtree_control");
  found.writable = ::access(folder.c_str(), W_OK) == 0 &&
                   ::access((folder + "/cgroup.procs").c_str(), W_OK) == 0 &&
                   ::access((folder + "/cgroup.subtree_control").c_str(), W_OK) == 0;
  std::istringstream members(text_of(folder + "/cgroup.procs"));
  for (pid_t pid = 0; members >> pid;) found.members.push_back(pid);
  return found;
}

Status make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return errno_error("make " + path);
  return success();
}

Error no(const std::string& why) {
  return {Errc::unavailable, "the cgroup of vibed cannot be divided: " + why};
}

}  // namespace

std::string delegated_path(const std::string& own) {
  if (!is_leaf(own)) return own;
  std::string above = own.substr(0, own.rfind('/'));
  return above.empty() ? "/" : above;
}

CgroupDivision plan_division(const DelegatedCgroup& found) {
  CgroupDivision plan;
  if (!found.writable) plan.obstacle = "it is not delegated (not writable)";
  for (pid_t pid : found.members) {
    if (pid != found.self && plan.obstacle.empty())
      plan.obstacle = "it is shared with other processes (" + std::to_string(pid) + ")";
  }
  bool any = false;
  for (const char* name : kWanted) {
    bool there = has_word(found.controllers, name);
    any = any || there;
    if (there && !has_word(found.subtree_control, name))
      plan.enable.push_back(std::string("+") + name);
  }
  if (plan.obstacle.empty() && !any) plan.obstacle = "it has none of memory, pids and cpu";
  plan.move = plan.obstacle.empty() && !found.in_leaf;
  if (!plan.obstacle.empty()) plan.enable.clear();
  return plan;
}

Status divide_own_cgroup(const std::string& mounts, const std::string& self) {
  auto paths = own_cgroup_paths(self);
  auto own = paths.find("");
  if (own == paths.end()) return no("there is no cgroup v2");
  std::string folder = cgroup_folder(mounts, delegated_path(own->second));
  auto plan = plan_division(look_at(folder, is_leaf(own->second)));
  if (!plan.obstacle.empty()) return no(plan.obstacle);
  if (Status made = make_folder(folder + "/" + kSandboxesLeaf); !made) return made;
  if (plan.move) {
    std::string leaf = folder + "/" + kOwnLeaf;
    if (Status made = make_folder(leaf); !made) return made;
    Status moved = put_cgroup_file(leaf + "/cgroup.procs", std::to_string(::getpid()));
    if (!moved) return moved;
  }
  // One that cannot be had does not keep the others from being used.
  Status done = success();
  for (const std::string& controller : plan.enable) {
    Status enabled = put_cgroup_file(folder + "/cgroup.subtree_control", controller);
    if (!enabled) done = std::move(enabled);
  }
  return done;
}

Status divide_own_cgroup() {
  return divide_own_cgroup("/sys/fs/cgroup", text_of("/proc/self/cgroup"));
}

}  // namespace vibed::sandbox
