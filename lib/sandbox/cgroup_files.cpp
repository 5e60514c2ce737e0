#include "sandbox/cgroup_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <sstream>

#include "base/fd.hpp"

namespace vibed::sandbox {

Status put_cgroup_file(const std::string& path, const std::string& text) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return errno_error("open " + path);
  if (::write(fd.get(), text.data(), text.size()) < 0) return errno_error("write " + path);
  return success();
}

std::string cgroup_folder(const std::string& mount, const std::string& path) {
  return path == "/" ? mount : mount + path;
}

bool has_word(const std::string& text, const std::string& word) {
  std::istringstream words(text);
  for (std::string each; words >> each;)
    if (each == word) return true;
  return false;
}

std::map<std::string, std::string> own_cgroup_paths(const std::string& self) {
  std::map<std::string, std::string> paths;
  std::istringstream lines(self);
  for (std::string line; std::getline(lines, line);) {
    std::size_t first = line.find(':');
    std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::istringstream names(line.substr(first + 1, second - first - 1));
    std::string path = line.substr(second + 1);
    if (second == first + 1) paths[""] = path;
    for (std::string name; std::getline(names, name, ',');) paths[name] = path;
  }
  return paths;
}

}  // namespace vibed::sandbox
