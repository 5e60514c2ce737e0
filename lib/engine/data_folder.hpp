// DataFolder: the one folder all state of a machine lives in, locked for one vibed at a time.
#pragma once

#include <string>

#include "base/fd.hpp"
#include "vibed/result.hpp"

namespace vibed {

// An opened data folder; the lock goes with it. What is where: docs/data-folder.md.
class DataFolder {
 public:
  // Makes what is missing. Reasons: data_in_use, data_too_new, path_too_long.
  static Result<DataFolder> open(const std::string& path);

  const std::string& path() const { return path_; }
  std::string database() const { return path_ + "/vibed.db"; }
  std::string sources() const { return path_ + "/sources"; }
  std::string spool() const { return path_ + "/spool"; }  // uploads on their way in
  std::string cache() const { return path_ + "/cache"; }
  std::string run() const { return path_ + "/run"; }

 private:
  DataFolder(std::string path, Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  Fd lock_;
};

}  // namespace vibed
