#include "process/seccomp.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ids.hpp"
#include "process/run.hpp"

namespace vibed {
namespace {

// Runs a Python program, once as it is and once under the sandbox's filter, as bwrap would.
RunOutput run_python(const std::string& program, bool filtered) {
  std::vector<std::string> argv = {"/usr/bin/python3", "-c", program};
  if (filtered) {
    // Python installs the filter on itself: prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program).
    std::string hex = to_hex(*sandbox_filter());
    argv[2] =
        "import ctypes,struct\n"
        "code=bytes.fromhex('" +
        hex +
        "')\n"
        "buf=ctypes.create_string_buffer(code,len(code))\n"
        "prog=ctypes.create_string_buffer(struct.pack('HxxxxxxP',len(code)//8,"
        "ctypes.addressof(buf)),16)\n"
        "c=ctypes.CDLL(None,use_errno=True)\n"
        "assert c.prctl(38,1,0,0,0)==0\n"
        "assert c.prctl(22,2,prog,0,0)==0, ctypes.get_errno()\n" +
        program;
  }
  auto result = run(argv);
  EXPECT_TRUE(result) << result.error().message;
  return result ? *result : RunOutput{};
}

constexpr const char* kTry = R"(
import ctypes, os, socket, errno
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in args])
    return 'ok' if result != -1 else errno.errorcode[ctypes.get_errno()]
)";

TEST(SandboxFilter, RefusesWhatNoAppNeeds) {
#if !defined(__x86_64__)
  GTEST_SKIP() << "the numbers are those of x86_64";
#endif
  std::string program = std::string(kTry) + R"(
print('ptrace', call(101, 0, 0, 0, 0))
print('process_vm_readv', call(310, os.getpid(), 0, 0, 0, 0, 0))
print('mount', call(165, 0, 0, 0, 0, 0))
print('unshare user', call(272, 0x10000000))
print('unshare net', call(272, 0x40000000))
print('setns', call(308, 0, 0))
print('clone newns', call(56, 0x00020000 | 17, 0, 0, 0, 0))
print('clone3', call(435, 0, 0))
print('keyctl', call(250, 0, 0, 0, 0, 0))
print('bpf', call(321, 0, 0, 0))
print('perf', call(298, 0, 0, 0, 0, 0))
print('userfaultfd', call(323, 0))
print('io_uring', call(425, 1, 0))
print('chroot', call(161, 0))
print('open_by_handle', call(304, 0, 0, 0))
print('tiocsti', call(16, 0, 0x5412, 0))
print('tiocsti high', call(16, 0, 0x100005412, 0))
print('personality', call(135, 0x0040000))
print('vsock', call(41, 40, 1, 0))
print('packet', call(41, 17, 3, 0))
print('alg', call(41, 38, 5, 0))
print('netfilter', call(41, 16, 3, 12))
print('prlimit of init', call(302, 1, 7, 0, 0))
print('x32', call(0x40000000 + 39))
)";
  EXPECT_EQ(run_python(program, true).out,
            "ptrace EPERM\nprocess_vm_readv EPERM\nmount EPERM\nunshare user EPERM\n"
            "unshare net EPERM\nsetns EPERM\nclone newns EPERM\nclone3 ENOSYS\nkeyctl EPERM\n"
            "bpf EPERM\nperf EPERM\nuserfaultfd EPERM\nio_uring ENOSYS\nchroot EPERM\n"
            "open_by_handle EPERM\ntiocsti EPERM\ntiocsti high EPERM\npersonality EPERM\n"
            "vsock EAFNOSUPPORT\npacket EAFNOSUPPORT\nalg EAFNOSUPPORT\n"
            "netfilter EPROTONOSUPPORT\nprlimit of init EPERM\nx32 ENOSYS\n");
}

TEST(SandboxFilter, LetsOrdinaryProgramsWork) {
  std::string program = std::string(kTry) + R"(
import threading, subprocess
done = []
t = threading.Thread(target=lambda: done.append(1)); t.start(); t.join()
print('threads', done)
print('child', subprocess.run(['echo', 'x'], capture_output=True).stdout)
for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):
    socket.socket(family, socket.SOCK_STREAM).close()
socket.socketpair()
print('routes', call(41, 16, 3, 0))
print('diagnostics', call(41, 16, 3, 4))
print('personality', call(135, 0xffffffff))
print('unshare files', call(272, 0x400))
print('seccomp', call(317, 2, 0, 0))
)";
  EXPECT_EQ(
      run_python(program, true).out,
      "threads [1]\nchild b'x\\n'\nroutes ok\ndiagnostics ok\npersonality ok\nunshare files ok\n"
      "seccomp EFAULT\n")
      << "seccomp(GET_ACTION_AVAIL) with a null pointer must reach the kernel";
}

TEST(AppFilter, NotifiesOfListenAndLetsItHappen) {
  int sockets[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
  Fd mine(sockets[0]);
  Fd theirs(sockets[1]);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Fd reader(ends[0]);
  Fd writer(ends[1]);
  SpawnOptions options;
  options.argv = {"/usr/bin/python3", "-c",
                  "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen();"
                  "c = socket.create_connection(s.getsockname()); print('listening')\n"
                  "try: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4); print('diagnosed')\n"
                  "except OSError: print('refused')\n"
                  "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)"};
  options.stdout_fd = writer.get();
  options.notify_filter = app_filter();
  options.notify_socket = theirs.get();
  auto process = spawn(options);
  ASSERT_TRUE(process) << process.error().message;
  writer.reset();
  Fd listener = receive_listener(mine.get());
  ASSERT_TRUE(listener) << "the kernel gave no notification descriptor";
  pollfd news{listener.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&news, 1, 20'000), 1);
  EXPECT_EQ(continue_notified(listener.get()), 1);
  EXPECT_EQ(continue_notified(listener.get()), 0);
  EXPECT_TRUE(process->reap()->ok());
  char text[64] = "";
  EXPECT_GT(::read(reader.get(), text, sizeof text - 1), 0);
  EXPECT_STREQ(text, "listening\nrefused\n");
}

}  // namespace
}  // namespace vibed
