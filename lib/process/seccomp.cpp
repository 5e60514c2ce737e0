#include "process/seccomp.hpp"

#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace vibed {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "name the audit architecture of this machine"
#endif

constexpr sock_filter load(std::size_t offset) {
  return {BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(offset)};
}
constexpr sock_filter unless_equal_skip(std::uint32_t value, std::uint8_t skip) {
  return {BPF_JMP | BPF_JEQ | BPF_K, 0, skip, value};
}
constexpr sock_filter answer(std::uint32_t action) { return {BPF_RET | BPF_K, 0, 0, action}; }

}  // namespace

const sock_fprog* app_filter() {
  // The kernel takes a family and a protocol as ints: the low halves of the arguments count.
  static_assert(std::endian::native == std::endian::little);
  static std::array<sock_filter, 12> code = {load(offsetof(seccomp_data, arch)),
                                             unless_equal_skip(kArchitecture, 9),
                                             load(offsetof(seccomp_data, nr)),
                                             unless_equal_skip(SYS_listen, 1),
                                             answer(SECCOMP_RET_USER_NOTIF),
                                             unless_equal_skip(SYS_socket, 5),
                                             load(offsetof(seccomp_data, args[0])),
                                             unless_equal_skip(AF_NETLINK, 3),
                                             load(offsetof(seccomp_data, args[2])),
                                             unless_equal_skip(NETLINK_SOCK_DIAG, 1),
                                             answer(SECCOMP_RET_ERRNO | EPROTONOSUPPORT),
                                             answer(SECCOMP_RET_ALLOW)};
  static const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  return &program;
}

Fd receive_listener(int socket) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1) return Fd();
  const cmsghdr* head = CMSG_FIRSTHDR(&message);
  if (head == nullptr || head->cmsg_type != SCM_RIGHTS) return Fd();
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(head), sizeof fd);
  return Fd(fd);
}

int continue_notified(int listener) {
  int count = 0;
  for (;;) {
    // NOTIF_RECV waits; only a readable descriptor is sure not to. A caller that was killed
    // meanwhile shows as ENOENT.
    pollfd poll_fd{listener, POLLIN, 0};
    if (::poll(&poll_fd, 1, 0) != 1 || (poll_fd.revents & POLLIN) == 0) return count;
    seccomp_notif call{};
    if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) return count;
    seccomp_notif_resp response{};
    response.id = call.id;
    response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
    ++count;
  }
}

}  // namespace vibed
