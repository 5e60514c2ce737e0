// The system call filters of a sandbox: what its programs may not ask of the kernel, and how the
// agent learns of listen(2).
#pragma once

#include <linux/filter.h>

#include <string>
#include <vector>

#include "base/fd.hpp"
#include "vibed/result.hpp"

namespace vibed {

// The filter every program of a sandbox runs under, as the bytes of struct sock_filter that
// `bwrap --seccomp FD` reads. What programs fall back from gracefully is ENOSYS (clone3, io_uring),
// what only an attacker asks for is EPERM; the lists are in sandbox_filter.cpp. Calls of another
// architecture (32 bit, x32) are refused. Programs may still install filters of their own.
Result<std::string> sandbox_filter();

// The filter of an app beside that of its agent, for SpawnOptions::notify_filter: notifies of
// listen(2), refuses netlink's socket diagnostics, lets everything else through. Valid for the life
// of the process.
const sock_fprog* app_filter();

// Takes the descriptor that spawn() sent for notify_filter; empty when the kernel had none to give.
Fd receive_listener(int socket);

// Lets every call that waits on notification descriptor `listener` go on. Returns how many there
// were; does not wait. The calls have not happened yet when this returns.
int continue_notified(int listener);

}  // namespace vibed
