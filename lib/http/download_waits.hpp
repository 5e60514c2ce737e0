// Waiting with a limit, for downloads: asynchronous operations are started and waited for one at a
// time, which needs no coroutine and still ends at a deadline.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
#include <vector>

#include "http/download.hpp"
#include "http/source_url.hpp"

namespace vibed::http {

class DownloadWaits {
 public:
  using Clock = std::chrono::steady_clock;
  using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;

  // `options` outlives this.
  DownloadWaits(const DownloadOptions& options, Clock::time_point deadline)
      : options_(options), deadline_(deadline) {}

  boost::asio::io_context io;

  // Runs `io` until `done` is set by a handler. Past `limit`, the deadline, or when the caller
  // wants to stop, `give_up` is called, which must make the operation end; `done` is set on return
  // in any case. An error, "took too long: `doing`", means it was given up.
  Status until(const bool& done, std::chrono::milliseconds limit, const char* doing,
               const std::function<void()>& give_up);

  // The addresses of the URL's host. A look-up that takes too long is left to itself.
  Result<Endpoints> look_up(const SourceUrl& url);

 private:
  Status may_go_on(Clock::time_point until, const char* doing) const;

  const DownloadOptions& options_;
  Clock::time_point deadline_;
};

}  // namespace vibed::http
