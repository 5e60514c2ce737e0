#include "browser.hpp"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

namespace vibed::cli {

Status open_in_browser(const std::string& url) {
  if (url.empty()) return Error{Errc::not_found, "the app has no URL yet"};
  std::string program = "xdg-open";
  std::string argument = url;
  std::array<char*, 3> argv = {program.data(), argument.data(), nullptr};
  pid_t pid = 0;
  int status = 0;
  if (::posix_spawnp(&pid, program.c_str(), nullptr, nullptr, argv.data(), environ) != 0 ||
      ::waitpid(pid, &status, 0) != pid || status != 0) {
    return Error{Errc::not_found, "no browser could be opened here (xdg-open); the URL is " + url};
  }
  return success();
}

}  // namespace vibed::cli
