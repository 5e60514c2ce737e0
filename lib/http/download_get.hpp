// One GET of download(): no redirects, no retries. Seen by download.cpp only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "http/download.hpp"
#include "http/source_url.hpp"

namespace vibed::http {

struct DownloadAnswer {
  int status = 0;
  std::string location = {};  // of a redirect
  std::string text = {};      // the beginning of what is not a source
  std::uint64_t size = 0;     // of the source, which is in the file
};

// Writes the body of a 2xx into `file`, from its beginning. `unavailable` may pass by itself.
Result<DownloadAnswer> get(const SourceUrl& url, int file, const DownloadOptions& options,
                           std::chrono::steady_clock::time_point deadline);

}  // namespace vibed::http
