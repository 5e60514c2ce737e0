// pull: fetches a source archive over HTTP, as contract v1's source_url asks for.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "vibed/result.hpp"

struct sockaddr;

namespace vibed::agent {

struct SourceUrl {
  std::string scheme;  // lower case
  std::string host;    // without brackets
  std::string port;    // "80"
  std::string target;  // path and query, at least "/"
};

// Pure. A scheme other than http and https is refused with the words of contract v1.
Result<SourceUrl> parse_source_url(std::string_view url);

// Where a redirect from `from` to `location` leads; relative ones too.
Result<SourceUrl> follow_redirect(const SourceUrl& from, std::string_view location);

// Whether a source may be fetched from there: not from this machine or its metadata service.
// Private networks are allowed: a cluster's blob store is in one.
bool may_dial(const sockaddr& address);

struct PullOptions {
  std::string spool_directory = "/tmp";
  std::uint64_t max_bytes =
      50ULL * 1024 * 1024 + 1;  // the rest is cut off, which the archive shows
  std::chrono::seconds timeout{60};
  std::chrono::seconds connect_timeout{10};
  std::function<bool()> stop = {};  // looked at while waiting; true ends the call
  // Replaced by tests, whose servers are on loopback.
  std::function<bool(const sockaddr&)> allowed = may_dial;
};

struct Pulled {
  Fd file;  // unlinked, at no particular position
  std::uint64_t size = 0;
};

// GET, at most 10 redirects, no proxy. https is not supported by this agent: `invalid_argument`
// says so.
Result<Pulled> pull_source(const std::string& url, const PullOptions& options);

}  // namespace vibed::agent
