// Share: the files of vibed that every sandbox of a pool reads, gathered in one folder.
#pragma once

#include <string>
#include <vector>

#include "vibed/result.hpp"

namespace vibed::sandbox {

struct ShareOptions {
  std::string folder;  // made if absent; 0755, as is all in it
  std::string agent;   // copied, so that any uid may run it and an upgrade replaces nothing in use
  std::string nginx_conf;  // copied to etc/vibed/nginx.conf; empty or absent: none
};

struct Share {
  std::string agent;                  // "<folder>/agent-<hash>"
  std::string etc;                    // "<folder>/etc"
  std::vector<std::string> etc_host;  // host folders to mount over those of etc
};

// Fills the folder. Safe while sandboxes of a predecessor use it: files are replaced, not written.
Result<Share> make_share(const ShareOptions& options);

}  // namespace vibed::sandbox
