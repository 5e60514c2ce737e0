// download: the small client the agent pulls sources with, over http and https. Nothing of it, TLS
// least of all, takes memory before it is called.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "vibed/result.hpp"

struct sockaddr;

namespace vibed::http {

// The reason of an error of a connection that was never made.
constexpr const char* kOutOfReach = "source_out_of_reach";

constexpr std::chrono::milliseconds kLook{100};  // between two looks at DownloadOptions::stop

struct DownloadOptions {
  std::string spool_directory = "/tmp";
  std::uint64_t max_bytes = 50ULL * 1024 * 1024;
  std::chrono::milliseconds timeout{60'000};  // of everything, retries and redirects included
  std::chrono::milliseconds connect_timeout{10'000};  // to connect, and again for TLS
  std::chrono::milliseconds idle_timeout{30'000};     // without one more byte
  int attempts = 4;                                   // while failing in a way that may pass
  std::chrono::milliseconds retry_pause{200};         // about; doubled each time
  // A PEM file of who may vouch for an https server. Empty: the system's.
  std::string authorities = {};
  std::function<bool()> stop = {};                    // looked at while waiting; true ends the call
  std::function<bool(const sockaddr&)> allowed = {};  // asked before every connection, if set
};

struct Downloaded {
  Fd file;  // unlinked, at no particular position
  std::uint64_t size = 0;
};

// GET, at most 3 redirects, no proxy; TLS 1.2 or newer with a certificate that is checked. The
// query goes out as it was written and is part of no error. Errors: `invalid_argument` (the URL,
// the certificate, most statuses), `permission_denied` (403), `not_found` (404),
// "payload_too_large", `unavailable` after the last attempt, `deadline_exceeded`, `cancelled`.
Result<Downloaded> download(const std::string& url, const DownloadOptions& options);

// What an S3-like store said is wrong: its word from the XML of an error, "NoSuchKey", and whether
// the URL has expired. "" when the text says nothing of the kind.
std::string store_error(std::string_view body);

}  // namespace vibed::http
