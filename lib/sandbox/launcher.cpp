#include "sandbox/launcher.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error_codes.hpp"
#include "base/files.hpp"
#include "base/ids.hpp"
#include "base/log.hpp"
#include "process/spawn.hpp"

namespace vibed::sandbox {
namespace fs = std::filesystem;
namespace {

using namespace std::chrono_literals;

constexpr auto kInfoTimeout = 10s;
constexpr auto kKillTimeout = 8s;
constexpr auto kOuterTimeout = 1s;
constexpr int kControlBacklog = 16;
constexpr int kAppBacklog = 4096;
constexpr uid_t kDefaultFirstUid = 600'000;
constexpr uid_t kDefaultLastUid = 665'535;

// One of these is in every Debian, and nothing a sandbox needs is ever in it.
constexpr const char* kViewPoints[] = {"/mnt", "/media", "/srv", "/boot"};

// What enter_thread() found out for this thread; empty paths: the real ones.
thread_local std::string t_share;
thread_local std::string t_cache;

bool below(const std::string& path, const std::string& folder) {
  return path == folder || path.starts_with(folder + "/");
}

Result<Fd> listen_at(const std::string& path, int backlog) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return make_error("path_too_long", path + " is too long for a unix socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error("make a socket");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return errno_error("bind " + path);
  if (::listen(fd.get(), backlog) != 0) return errno_error("listen at " + path);
  return fd;
}

// bubblewrap reads it from an fd to its end.
Result<Fd> as_file(const std::string& bytes) {
  Fd fd(::memfd_create("seccomp", MFD_CLOEXEC));
  if (!fd) return errno_error("make a memory file");
  if (::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    return errno_error("write a memory file");
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

// The pid of the sandbox's PID 1 as bubblewrap tells it, in our pid namespace.
Result<pid_t> read_child_pid(int fd) {
  std::string text;
  const auto deadline = std::chrono::steady_clock::now() + kInfoTimeout;
  while (text.find('}') == std::string::npos) {
    auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd ready = {fd, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) == 0)
      return Error{Errc::deadline_exceeded, "bubblewrap did not start a process in time"};
    char buffer[1024];
    ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return Error{Errc::unavailable, "bubblewrap ended before it made the sandbox"};
    text.append(buffer, static_cast<std::size_t>(count));
  }
  auto info = nlohmann::json::parse(text, nullptr, false);
  if (!info.is_object() || !info["child-pid"].is_number_integer())
    return Error{Errc::unavailable, "bubblewrap did not say which process it started"};
  return info["child-pid"].get<pid_t>();
}

std::int64_t memory_of(const Config::SandboxConfig& limits, const Template& from) {
  return from.memory > 0 ? from.memory : limits.memory;
}

CgroupLimits cgroup_limits(const Config::SandboxConfig& limits, const Template& from) {
  CgroupLimits result;
  // A cgroup counts what is on a tmpfs as memory: a big site must meet a full disk, not the OOM
  // killer.
  result.memory = memory_of(limits, from);
  if (result.memory > 0) result.memory += limits.workspace + 2 * limits.tmp;
  // bubblewrap's own process is one of them.
  result.processes = limits.processes > 0 ? limits.processes + 1 : 0;
  result.cpus = limits.cpus;
  return result;
}

bool mount_view(const std::string& point, const std::string& share, const std::string& cache) {
  auto bind = [](const std::string& from, const std::string& to) {
    return ::mkdir(to.c_str(), 0755) == 0 &&
           ::mount(from.c_str(), to.c_str(), nullptr, MS_BIND, nullptr) == 0;
  };
  return ::mount("vibed", point.c_str(), "tmpfs", MS_NODEV | MS_NOSUID, "mode=755,size=64k") == 0 &&
         bind(share, point + "/share") && (cache.empty() || bind(cache, point + "/cache"));
}

pid_t parent_of(pid_t pid) {
  auto text = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!text) return 0;
  std::size_t at = text->rfind(')');
  pid_t parent = 0;
  if (at != std::string::npos && at + 4 < text->size())
    std::from_chars(text->data() + at + 4, text->data() + text->size(), parent);
  return parent;
}

std::vector<pid_t> all_pids() {
  std::vector<pid_t> pids;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    std::string name = entry.path().filename().string();
    pid_t pid = 0;
    auto end = std::from_chars(name.data(), name.data() + name.size(), pid).ptr;
    if (end == name.data() + name.size()) pids.push_back(pid);
  }
  return pids;
}

// The bubblewrap process that was started for sandbox `id`, and its children.
std::vector<pid_t> processes_of(const std::string& id) {
  std::vector<pid_t> pids = all_pids();
  const std::string mark = std::string("VIBED_SANDBOX_ID") + '\0' + id + '\0';
  std::vector<pid_t> found;
  for (pid_t pid : pids) {
    auto line = read_file("/proc/" + std::to_string(pid) + "/cmdline", 1024 * 1024);
    if (line && line->find(mark) != std::string::npos) found.push_back(pid);
  }
  for (pid_t pid : pids)
    if (std::find(found.begin(), found.end(), parent_of(pid)) != found.end()) found.push_back(pid);
  return found;
}

}  // namespace

std::string sandbox_folder(const std::string& run_directory, const std::string& id) {
  return run_directory + "/sandboxes/" + id;
}

std::string control_socket(const std::string& run_directory, const std::string& id) {
  return sandbox_folder(run_directory, id) + "/control.sock";
}

std::string app_socket(const std::string& run_directory, const std::string& id) {
  return sandbox_folder(run_directory, id) + "/app.sock";
}

std::string agent_log_tail(const std::string& run_directory, const std::string& id) {
  std::ifstream file(sandbox_folder(run_directory, id) + "/agent.log", std::ios::ate);
  if (!file) return "";
  constexpr std::streamoff kTail = 500;
  std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(0, size - kTail));
  std::string text(std::istreambuf_iterator<char>(file), {});
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

Launcher::Launcher(LauncherOptions options)
    : options_(std::move(options)), cgroups_(Cgroups::detect()) {
  if (::geteuid() != 0) return;
  const bool given = options_.limits.uid_first > 0;
  uids_ = std::make_unique<UidRange>(
      given ? static_cast<uid_t>(options_.limits.uid_first) : kDefaultFirstUid,
      given ? static_cast<uid_t>(options_.limits.uid_last) : kDefaultLastUid,
      options_.run_directory);
}

void Launcher::enter_thread() {
  t_share = options_.share.etc.substr(0, options_.share.etc.rfind('/'));
  t_cache = options_.cache_directory;
  if (!uids_) return;
  auto point = std::find_if(std::begin(kViewPoints), std::end(kViewPoints), [&](const char* each) {
    std::error_code error;
    return fs::is_directory(each, error) && !below(t_share, each) && !below(t_cache, each);
  });
  if (point == std::end(kViewPoints)) return;
  // A slave still sees the host unmount things, so nothing stays busy because of us.
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("", "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0 ||
      !mount_view(*point, t_share, t_cache)) {
    log::warn("no private mounts for sandboxes: the data folder must be open to their uids");
    return;
  }
  t_share = std::string(*point) + "/share";
  if (!t_cache.empty()) t_cache = std::string(*point) + "/cache";
}

BubblewrapSetup Launcher::setup(const std::string& id, const Template& from,
                                const std::string& go_cache, const View& view) const {
  BubblewrapSetup setup;
  setup.id = id;
  setup.bubblewrap = options_.bubblewrap;
  setup.agent = view.share + "/" + fs::path(options_.share.agent).filename().string();
  setup.etc = view.share + "/etc";
  setup.etc_host = options_.share.etc_host;
  if (!go_cache.empty()) setup.go_cache = view.cache + "/" + go_cache;
  setup.root = host_root_entries();
  setup.workspace_bytes = options_.limits.workspace;
  setup.tmp_bytes = options_.limits.tmp;
  setup.seccomp = !options_.seccomp.empty();
  CgroupLimits limits = cgroup_limits(options_.limits, from);
  if (!cgroups_.processes()) setup.limit_processes = limits.processes;
  if (!cgroups_.memory()) setup.limit_data = memory_of(options_.limits, from);
  return setup;
}

Result<Running> Launcher::boot(const std::string& id, const Template& from,
                               const std::string& go_cache) {
  Boot boot;
  boot.record.id = id;
  boot.record.template_name = from.name;
  boot.record.runtime_version = from.runtime_version;
  boot.record.token = random_hex(16);
  std::string folder = sandbox_folder(options_.run_directory, id);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return errno_error("make " + folder);
  auto done = prepare(boot, from);
  auto running = done ? start(boot, from, go_cache) : Result<Running>(std::move(done).error());
  if (running) return running;
  Error error = std::move(running).error();
  std::string printed = agent_log_tail(options_.run_directory, id);
  if (!printed.empty()) error.message += ": " + printed;
  clean(boot.record);
  return error;
}

Status Launcher::prepare(Boot& boot, const Template& from) {
  Record& record = boot.record;
  auto control = listen_at(control_socket(options_.run_directory, record.id), kControlBacklog);
  if (!control) return std::move(control).error();
  boot.control = *std::move(control);
  auto app = listen_at(app_socket(options_.run_directory, record.id), kAppBacklog);
  if (!app) return std::move(app).error();
  boot.app = *std::move(app);
  std::string log = sandbox_folder(options_.run_directory, record.id) + "/agent.log";
  boot.output = Fd(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!boot.output) return errno_error("create " + log);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("make a pipe");
  boot.info = Fd(ends[0]);
  boot.info_write = Fd(ends[1]);
  auto filter = as_file(options_.seccomp);
  if (!filter) return std::move(filter).error();
  boot.filter = *std::move(filter);
  record.limits = cgroup_limits(options_.limits, from);
  auto cgroup = cgroups_.make(record.id, record.limits);
  if (!cgroup) return std::move(cgroup).error();
  boot.cgroup = *std::move(cgroup);
  record.cgroups = boot.cgroup.folders;
  if (uids_) {
    auto uid = uids_->take();
    if (!uid) return std::move(uid).error();
    record.uid = *uid;
  }
  // Before anything runs: whoever finds half a record looks for what it left behind.
  return remember(record);
}

SpawnOptions Launcher::spawn_options(const Boot& boot, const Template& from,
                                     const std::string& go_cache) const {
  auto setup = this->setup(boot.record.id, from, go_cache, {t_share, t_cache});
  SpawnOptions options;
  options.argv = bubblewrap_argv(setup, from);
  options.env = std::vector<std::string>{"PATH=/usr/bin:/bin"};
  options.cwd = "/";
  options.stdout_fd = boot.output.get();
  options.stderr_fd = boot.output.get();
  options.fds = {{boot.control.get(), kControlFd},
                 {boot.app.get(), kRelayFd},
                 {boot.info_write.get(), kInfoFd}};
  if (setup.seccomp) options.fds.push_back({boot.filter.get(), kSeccompFd});
  options.new_session = true;
  options.umask = 022;
  options.limits = {{RLIMIT_CORE, 0, 0}};
  if (uids_) options.identity = Identity{boot.record.uid, boot.record.uid};
  for (const Fd& procs : boot.cgroup.procs) options.cgroup_procs.push_back(procs.get());
  return options;
}

Result<Running> Launcher::start(Boot& boot, const Template& from, const std::string& go_cache) {
  auto outer = spawn(spawn_options(boot, from, go_cache));
  if (!outer) return std::move(outer).error().during("start bubblewrap");
  boot.info_write.reset();
  Running running;
  running.outer = std::move(*outer);
  Status known = identify(boot, running);
  if (known) return running;
  for (pid_t pid : processes_of(boot.record.id))
    if (auto process = open_process(pid)) (void)process->signal(SIGKILL);
  (void)running.outer.signal(SIGKILL);
  (void)running.outer.reap();
  return std::move(known).error();
}

// Finds PID 1 of what was started and writes down who is who.
Status Launcher::identify(Boot& boot, Running& running) const {
  auto pid = read_child_pid(boot.info.get());
  if (!pid) return std::move(pid).error();
  auto inner = open_process(*pid);
  if (!inner) return std::move(inner).error().during("bubblewrap could not start the agent");
  running.inner = std::move(*inner);
  auto inner_start = process_start_time(*pid);
  auto outer_start = process_start_time(running.outer.pid());
  Record& record = boot.record;
  record.inner_pid = *pid;
  record.inner_start = inner_start ? *inner_start : 0;
  record.outer_pid = running.outer.pid();
  record.outer_start = outer_start ? *outer_start : 0;
  running.record = record;
  return remember(record);
}

Status Launcher::remember(const Record& record) const {
  return write_file(sandbox_folder(options_.run_directory, record.id) + "/state.json",
                    to_json(record), Durability::unsynced, 0600);
}

void Launcher::end(Running& running) {
  if (running.inner) {
    (void)running.inner.signal(SIGKILL);
    if (!running.inner.wait_exit(kKillTimeout))
      log::warn("a sandbox did not end", {{"sandbox", running.record.id}});
  }
  if (running.outer) {
    // It ends by itself once it has reaped the inner one; what was cut short in its set-up does
    // not.
    if (!running.inner || !running.outer.wait_exit(kOuterTimeout))
      (void)running.outer.signal(SIGKILL);
    if (running.child)
      (void)running.outer.reap();
    else
      running.outer.wait_exit(kKillTimeout);
  }
  clean(running.record);
}

void Launcher::clean(const Record& record) {
  if (auto removed = remove_cgroup(record.cgroups); !removed)
    log::warn("a cgroup stays", {{"error", removed.error().message}});
  if (uids_ && record.uid != 0) uids_->put_back(record.uid);
  std::error_code error;
  fs::remove_all(sandbox_folder(options_.run_directory, record.id), error);
}

Result<Running> Launcher::find(const Record& record) {
  if (record.inner_pid == 0) return Error{Errc::not_found, "the sandbox was not finished"};
  auto inner = open_process(record.inner_pid, record.inner_start);
  if (!inner) return std::move(inner).error();
  // A zombie still has its pid: it waits for a parent that is gone or slow.
  if (inner->wait_exit(0ms)) return Error{Errc::not_found, "the sandbox has ended"};
  Running running;
  running.record = record;
  running.inner = std::move(*inner);
  if (auto outer = open_process(record.outer_pid, record.outer_start))
    running.outer = std::move(*outer);
  running.child = false;
  if (auto renewed = cgroups_.renew(record.cgroups, record.limits); !renewed)
    log::warn("a sandbox without its limits", {{"error", renewed.error().message}});
  if (uids_ && record.uid != 0) uids_->mark(record.uid);
  return running;
}

void Launcher::sweep(const std::string& id) {
  Running left;
  left.record.id = id;
  left.child = false;
  if (auto text = read_file(sandbox_folder(options_.run_directory, id) + "/state.json", 65536))
    if (auto record = record_from_json(*text)) left.record = *record;
  left.record.id = id;
  for (std::string& folder : cgroups_.folders(id)) left.record.cgroups.push_back(std::move(folder));
  for (pid_t pid : processes_of(id)) {
    auto process = open_process(pid);
    if (!process) continue;
    (void)process->signal(SIGKILL);
    (void)process->wait_exit(kKillTimeout);
  }
  end(left);
}

}  // namespace vibed::sandbox
