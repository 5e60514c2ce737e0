// Launcher boots bubblewrap sandboxes and takes them apart.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "process/pidfd.hpp"
#include "process/spawn.hpp"
#include "sandbox/bubblewrap.hpp"
#include "sandbox/cgroup.hpp"
#include "sandbox/record.hpp"
#include "sandbox/share.hpp"
#include "sandbox/uid_range.hpp"
#include "vibed/config.hpp"

namespace vibed::sandbox {

struct LauncherOptions {
  std::string run_directory;
  std::string bubblewrap;
  Config::SandboxConfig limits;
  Share share;
  std::string cache_directory;  // holds compiled standard libraries, "go-1.26.8"
  std::string seccomp;          // a filter for --seccomp; empty: none
};

// A sandbox that runs, as processes and files. Movable.
struct Running {
  Record record;
  Process inner;      // PID 1 inside: ends with the whole sandbox
  Process outer;      // bubblewrap's own process; empty when it was gone already
  bool child = true;  // outer is ours to reap
};

// Where a sandbox's files are.
std::string sandbox_folder(const std::string& run_directory, const std::string& id);
std::string control_socket(const std::string& run_directory, const std::string& id);
std::string app_socket(const std::string& run_directory, const std::string& id);

// The last lines of what bubblewrap and the agent of `id` printed.
std::string agent_log_tail(const std::string& run_directory, const std::string& id);

// Any thread may call end(); boot() belongs to threads that called enter_thread() first.
class Launcher {
 public:
  explicit Launcher(LauncherOptions options);

  // Prepares the calling thread: as root it gets a mount namespace in which the shared files are
  // where every uid can reach them, whatever folder they really are in.
  void enter_thread();

  // Starts a sandbox of `from`: on return its PID 1 exists, its sockets listen, and state.json says
  // so. That the agent answers is for the caller to see.
  Result<Running> boot(const std::string& id, const Template& from, const std::string& go_cache);

  // Kills all of it, waits for that and removes its files. Blocks for milliseconds.
  void end(Running& running);

  // Writes state.json.
  Status remember(const Record& record) const;

  // The sandbox that `record` tells of, or `not_found` when its PID 1 is gone.
  Result<Running> find(const Record& record);
  // Ends whatever there is of a sandbox whose record is lost or incomplete, files included.
  void sweep(const std::string& id);

  UidRange* uids() { return uids_.get(); }
  const Cgroups& cgroups() const { return cgroups_; }

 private:
  // All that one boot holds until it is done.
  struct Boot {
    Record record;
    Fd control;
    Fd app;
    Fd output;
    Fd info;  // bubblewrap tells the pid of PID 1 through this pipe
    Fd info_write;
    Fd filter;
    Cgroup cgroup;
  };

  struct View {  // where a boot thread finds shared files
    std::string share;
    std::string cache;
  };

  BubblewrapSetup setup(const std::string& id, const Template& from, const std::string& go_cache,
                        const View& view) const;
  Status prepare(Boot& boot, const Template& from);
  SpawnOptions spawn_options(const Boot& boot, const Template& from,
                             const std::string& go_cache) const;
  Result<Running> start(Boot& boot, const Template& from, const std::string& go_cache);
  Status identify(Boot& boot, Running& running) const;
  void clean(const Record& record);

  LauncherOptions options_;
  Cgroups cgroups_;
  std::unique_ptr<UidRange> uids_;  // as root only
};

}  // namespace vibed::sandbox
