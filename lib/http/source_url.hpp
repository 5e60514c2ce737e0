// Where a source archive is fetched from.
#pragma once

#include <string>
#include <string_view>

#include "vibed/result.hpp"

namespace vibed::http {

struct SourceUrl {
  std::string scheme;  // "http" or "https"
  std::string host;    // without brackets
  std::string port;    // "80"
  std::string target;  // path and query as they were written, at least "/"

  // As the header Host has it: without a port that goes without saying, because a presigned URL's
  // signature covers it.
  std::string host_header() const;
};

// Pure. The words of errors are those of the agent's contract v1 and never repeat the URL: its
// query may be a signature. A user in it is dropped.
Result<SourceUrl> parse_source_url(std::string_view url);

// Where a redirect from `from` to `location` leads; relative ones too. Never from https to http.
Result<SourceUrl> follow_redirect(const SourceUrl& from, std::string_view location);

}  // namespace vibed::http
