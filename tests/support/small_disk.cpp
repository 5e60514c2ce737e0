#include "support/small_disk.hpp"

#include <sched.h>
#include <sys/mount.h>

#include <thread>

namespace vibed::testing {

bool with_small_disk(const std::string& folder, const std::function<void()>& body) {
  bool mounted = false;
  std::thread apart([&] {
    if (::unshare(CLONE_NEWNS) != 0) return;
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return;
    if (::mount("none", folder.c_str(), "tmpfs", 0, "size=1m") != 0) return;
    mounted = true;
    body();
  });
  apart.join();
  return mounted;
}

}  // namespace vibed::testing
