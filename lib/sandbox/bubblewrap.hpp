// The command line that makes a sandbox: everything that crosses into it is in this one list.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "vibed/template.hpp"

namespace vibed::sandbox {

// Where things are inside every sandbox.
inline constexpr const char* kAgentInside = "/vibed/agent";
inline constexpr const char* kGoCacheInside = "/vibed/go-cache";
inline constexpr const char* kNginxConfInside = "/etc/vibed/nginx.conf";

// Descriptors bubblewrap inherits.
inline constexpr int kControlFd = 3;
inline constexpr int kRelayFd = 4;
inline constexpr int kInfoFd = 5;
inline constexpr int kSeccompFd = 6;

// A folder or symlink at the root of the host that a sandbox gets as well.
struct RootEntry {
  std::string path;    // "/lib64"
  std::string target;  // of a symlink: "usr/lib64"; empty: a folder, mounted
};

// /bin, /lib, … as they are on this machine.
std::vector<RootEntry> host_root_entries();

struct BubblewrapSetup {
  std::string id;
  std::string bubblewrap;             // the program
  std::string agent;                  // the program, as bubblewrap will find it
  std::string etc;                    // folder that becomes /etc
  std::vector<std::string> etc_host;  // host folders mounted over those in `etc`: "/etc/ssl/certs"
  std::string go_cache;               // compiled standard library; empty: none
  std::vector<RootEntry> root;
  std::int64_t workspace_bytes = 0;
  std::int64_t tmp_bytes = 0;
  bool seccomp = false;         // a filter comes on kSeccompFd
  int limit_processes = 0;      // set by the agent; 0: something else limits them
  std::int64_t limit_data = 0;  // bytes; the same
};

// argv of bubblewrap for one sandbox of `from`. Pure.
std::vector<std::string> bubblewrap_argv(const BubblewrapSetup& setup, const Template& from);

// What an app's environment starts from.
std::map<std::string, std::string> sandbox_environment(const BubblewrapSetup& setup,
                                                       const Template& from);

}  // namespace vibed::sandbox
