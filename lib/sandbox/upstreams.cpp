#include "sandbox/upstreams.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/ids.hpp"

namespace vibed::sandbox {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kSuffix = ".sock";

}  // namespace

Upstreams::Upstreams(std::string run_directory) : run_directory_(std::move(run_directory)) {}

std::string Upstreams::path(const std::string& label) const {
  return run_directory_ + "/apps/" + label + std::string(kSuffix);
}

Status Upstreams::open() {
  if (auto made = make_directories(run_directory_ + "/apps", 0700); !made) return made;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run_directory_ + "/apps", error)) {
    std::string name = entry.path().filename().string();
    if (!entry.is_symlink(error)) continue;
    if (!name.ends_with(kSuffix)) {
      fs::remove(entry.path(), error);  // a move that was cut off
      continue;
    }
    fs::path target = fs::read_symlink(entry.path(), error);
    current_[name.substr(0, name.size() - kSuffix.size())] =
        target.parent_path().filename().string();
  }
  return success();
}

Status Upstreams::move(const std::string& label, const std::string& id) {
  std::string temporary = run_directory_ + "/apps/." + random_hex(8) + ".tmp";
  std::string target = "../sandboxes/" + id + "/app.sock";
  if (::symlink(target.c_str(), temporary.c_str()) != 0)
    return errno_error("make a link to sandbox " + id);
  if (::rename(temporary.c_str(), path(label).c_str()) != 0) {
    Error error = errno_error("move the upstream of " + label);
    ::unlink(temporary.c_str());
    return error;
  }
  current_[label] = id;
  return success();
}

void Upstreams::remove(const std::string& label, const std::string& id) {
  auto at = current_.find(label);
  if (at == current_.end() || at->second != id) return;
  ::unlink(path(label).c_str());
  current_.erase(at);
}

std::string Upstreams::current(const std::string& label) const {
  auto at = current_.find(label);
  return at == current_.end() ? "" : at->second;
}

}  // namespace vibed::sandbox
