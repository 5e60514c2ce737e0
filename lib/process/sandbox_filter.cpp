// In a file of its own: vibed-agent, which does without libseccomp, links the rest of the room.
#include <linux/netlink.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>

#include "process/seccomp.hpp"

namespace vibed {
namespace {

// Never needed by an app; each is a way to other processes, to the kernel's rarely tested parts,
// or to a machine's settings.
constexpr std::array kRefused = {
    // other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
    // namespaces, mounts, roots
    "setns", "mount", "umount", "umount2", "move_mount", "open_tree", "fsopen", "fsconfig",
    "fsmount", "fspick", "mount_setattr", "pivot_root", "chroot", "open_by_handle_at",
    "name_to_handle_at", "quotactl", "quotactl_fd", "swapon", "swapoff",
    // keys
    "keyctl", "add_key", "request_key",
    // kernel interfaces with a history
    "bpf", "perf_event_open", "userfaultfd", "fanotify_init", "lookup_dcookie", "vm86", "vm86old",
    "modify_ldt", "uselib", "nfsservctl", "_sysctl", "syslog", "acct",
    // the machine
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module",
    "create_module", "reboot", "iopl", "ioperm", "settimeofday", "clock_settime", "stime",
    "sethostname", "setdomainname", "vhangup"};

// Programs ask for these and use something else when the kernel does not have them. clone3 hides
// its flags behind a pointer a filter cannot follow, so it must not exist.
constexpr std::array kAbsent = {"clone3", "io_uring_setup", "io_uring_enter", "io_uring_register"};

constexpr std::array<std::uint64_t, 8> kNamespaceFlags = {
    0x00000080 /* time */, 0x00020000 /* mount */, 0x02000000 /* cgroup */, 0x04000000 /* uts */,
    0x08000000 /* ipc */,  0x10000000 /* user */,  0x20000000 /* pid */,    0x40000000 /* net */};

// CLONE_NEWTIME lies in the bits of clone's exit signal: only unshare knows it.
constexpr std::uint64_t kNewTime = 0x00000080;

// Modes of an address space that make exploits easier: fixed addresses, executable data, page 0.
constexpr std::array<std::uint64_t, 4> kOddPersonalities = {0x0040000, 0x0100000, 0x0200000,
                                                            0x0400000};

class Builder {
 public:
  Builder() : filter_(::seccomp_init(SCMP_ACT_ALLOW), ::seccomp_release) {}

  bool made() const { return filter_ != nullptr; }
  bool failed() const { return failed_; }
  scmp_filter_ctx get() const { return filter_.get(); }

  // Answers the call `name` with `number` where all of `conditions` hold. Names that this
  // architecture does not have are left out.
  template <class... Condition>
  void refuse(const char* name, int number, Condition... conditions) {
    int call = ::seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR || call < 0) return;
    std::array<scmp_arg_cmp, sizeof...(conditions) + 1> list{conditions...};
    int done =
        ::seccomp_rule_add_array(filter_.get(), SCMP_ACT_ERRNO(static_cast<std::uint16_t>(number)),
                                 call, sizeof...(conditions), list.data());
    if (done != 0) failed_ = true;
  }

 private:
  std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter_;
  bool failed_ = false;
};

void refuse_namespaces(Builder& filter) {
  for (std::uint64_t flag : kNamespaceFlags) {
    filter.refuse("unshare", EPERM, SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
    if (flag != kNewTime) filter.refuse("clone", EPERM, SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
  }
}

// Unix, IPv4, IPv6 and netlink's routing (getifaddrs asks there) are what a network namespace with
// only loopback has a use for; vsock would even leave the machine. The agent asks netlink for
// listening sockets as well; app_filter() takes that from its app.
void refuse_sockets(Builder& filter) {
  for (std::uint64_t family = 0; family < AF_NETLINK; ++family) {
    if (family == AF_UNIX || family == AF_INET || family == AF_INET6) continue;
    filter.refuse("socket", EAFNOSUPPORT, SCMP_A0(SCMP_CMP_EQ, family));
  }
  filter.refuse("socket", EAFNOSUPPORT, SCMP_A0(SCMP_CMP_GT, AF_NETLINK));
  static_assert(NETLINK_ROUTE == 0);
  for (std::uint64_t protocol = 1; protocol < NETLINK_SOCK_DIAG; ++protocol)
    filter.refuse("socket", EPROTONOSUPPORT, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
                  SCMP_A2(SCMP_CMP_EQ, protocol));
  filter.refuse("socket", EPROTONOSUPPORT, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
                SCMP_A2(SCMP_CMP_GT, NETLINK_SOCK_DIAG));
  filter.refuse("socketpair", EAFNOSUPPORT, SCMP_A0(SCMP_CMP_NE, AF_UNIX));
}

void refuse_odd_values(Builder& filter) {
  // Typing into a terminal; the kernel looks at 32 bits of the command only.
  for (std::uint64_t command : {std::uint64_t{TIOCSTI}, std::uint64_t{TIOCLINUX}})
    filter.refuse("ioctl", EPERM, SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffU, command));
  // 0xffffffff asks for the present value, so the top bit must be clear as well.
  constexpr std::uint64_t kAsk = 0x80000000U;
  for (std::uint64_t bit : kOddPersonalities)
    filter.refuse("personality", EPERM, SCMP_A0(SCMP_CMP_MASKED_EQ, bit | kAsk, bit));
}

// The agent is PID 1 and may have the uid of its app, which lets the app turn its limits and its
// scheduling down. Only the low 32 bits of a pid count.
void protect_init(Builder& filter) {
  for (const char* name :
       {"prlimit64", "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler"})
    filter.refuse(name, EPERM, SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffffU, 1));
}

Result<std::string> exported(scmp_filter_ctx filter) {
  Fd file(::memfd_create("seccomp", MFD_CLOEXEC));
  if (!file) return errno_error("make a memory file");
  int done = ::seccomp_export_bpf(filter, file.get());
  if (done != 0) return errno_error("export the seccomp filter", -done);
  off_t size = ::lseek(file.get(), 0, SEEK_END);
  std::string bytes(static_cast<std::size_t>(size), '\0');
  if (::pread(file.get(), bytes.data(), bytes.size(), 0) != size)
    return errno_error("read the seccomp filter");
  return bytes;
}

}  // namespace

Result<std::string> sandbox_filter() {
  Builder filter;
  if (!filter.made()) return Error{Errc::internal, "libseccomp gave no filter"};
  // Calls of an architecture that is not this machine's own do not exist.
  ::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
  ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  for (const char* name : kRefused) filter.refuse(name, EPERM);
  for (const char* name : kAbsent) filter.refuse(name, ENOSYS);
  refuse_namespaces(filter);
  refuse_sockets(filter);
  refuse_odd_values(filter);
  protect_init(filter);
  if (filter.failed()) return Error{Errc::internal, "libseccomp refused a rule"};
  return exported(filter.get());
}

}  // namespace vibed
