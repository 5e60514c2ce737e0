// CaddyVersion: what the Caddy at hand can do.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "vibed/result.hpp"

namespace vibed::route {

struct CaddyVersion {
  int major = 0;  // 0.0.0: unknown (a build without a version)
  int minor = 0;
  int patch = 0;
  auto operator<=>(const CaddyVersion&) const = default;

  bool known() const { return major > 0; }
  // Open WebSockets outlive a change of the configuration (stream_close_delay).
  bool keeps_streams() const { return *this >= CaddyVersion{2, 7, 0}; }
  // A request whose upstream could not be dialled still has its body when the errors route runs.
  // 2.6 has closed it; versions between were not tried.
  bool keeps_body() const { return *this >= CaddyVersion{2, 11, 0}; }
};

// From what `caddy version` prints: "v2.11.9 h1:…", Debian's "2.6.2", "unknown", "(devel)".
CaddyVersion parse_caddy_version(std::string_view text);
std::string to_string(const CaddyVersion& version);  // "2.6.2", or "unknown"

struct CaddyProgram {
  std::string path;
  CaddyVersion version;
};

// The program `given`, else the first `caddy` in `search_path` ("/a:/b") or the usual folders, and
// its version as it prints it. `not_found` says how to install one.
Result<CaddyProgram> find_caddy(const std::string& given, const std::string& search_path);

}  // namespace vibed::route
