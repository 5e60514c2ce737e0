#include "engine/helpers.hpp"

#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <vector>

namespace vibed {
namespace {

bool is_program(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

bool is_folder(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

// The folders of the running program and of the library this code is in.
std::vector<std::string> own_folders() {
  std::vector<std::string> folders;
  char buffer[PATH_MAX];
  ssize_t length = ::readlink("/proc/self/exe", buffer, sizeof buffer);
  if (length > 0)
    folders.push_back(folder_of(std::string(buffer, static_cast<std::size_t>(length))));
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&is_program), &info) != 0 &&
      info.dli_fname != nullptr && ::realpath(info.dli_fname, buffer) != nullptr) {
    folders.push_back(folder_of(buffer));
  }
  return folders;
}

template <class Accepts>
Result<std::string> find(const std::string& what, const std::string& given,
                         const std::vector<std::string>& places, Accepts accepts) {
  if (!given.empty()) {
    if (accepts(given)) return given;
    return Error{Errc::not_found, what + " is not at " + given};
  }
  std::string looked;
  for (const std::string& folder : own_folders()) {
    for (const std::string& place : places) {
      std::string path = folder + "/" + place;
      if (accepts(path)) return path;
      looked += (looked.empty() ? "" : ", ") + path;
    }
  }
  return Error{Errc::not_found, what + " was not found; looked at " + looked};
}

}  // namespace

Result<std::string> find_agent(const std::string& given) {
  return find("vibed-agent", given,
              {"../libexec/vibed/vibed-agent", "../../libexec/vibed/vibed-agent",
               "../../../libexec/vibed/vibed-agent", "vibed-agent", "../vibed-agent/vibed-agent",
               "../apps/vibed-agent/vibed-agent"},
              is_program);
}

Result<std::string> find_templates(const std::string& given) {
  return find("the folder templates", given,
              {"../share/vibed/templates", "../../share/vibed/templates",
               "../../../share/vibed/templates", "../templates", "../apps/templates"},
              is_folder);
}

}  // namespace vibed
