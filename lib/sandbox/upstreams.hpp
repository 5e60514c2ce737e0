// Upstreams are the stable addresses of apps: symlinks <run>/apps/<label>.sock to a sandbox's
// socket.
#pragma once

#include <map>
#include <string>

#include "vibed/result.hpp"

namespace vibed::sandbox {

// One thread at a time; the links are read by everybody.
class Upstreams {
 public:
  explicit Upstreams(std::string run_directory);

  // Makes the folder and reads the links there are; what points nowhere is for the caller to
  // remove.
  Status open();

  // `label` leads to sandbox `id` from now on, in one step.
  Status move(const std::string& label, const std::string& id);
  // Takes the link of `label` away if it leads to `id`.
  void remove(const std::string& label, const std::string& id);

  // The sandbox `label` leads to; empty: none.
  std::string current(const std::string& label) const;
  const std::map<std::string, std::string>& all() const { return current_; }

  std::string path(const std::string& label) const;

 private:
  std::string run_directory_;
  std::map<std::string, std::string> current_;  // label → sandbox
};

}  // namespace vibed::sandbox
