// SocketWriter sends a streaming response from a worker thread, straight to the socket: while a
// worker streams, the io thread does not touch that socket.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/message.hpp"

namespace vibed::http {

class SocketWriter final : public ResponseWriter {
 public:
  struct Options {
    int socket = -1;       // non-blocking; stays the caller's
    int stopping_fd = -1;  // an eventfd that becomes readable when the server stops
    bool chunked = true;
    std::chrono::milliseconds stall_timeout{60'000};  // without the client taking one more byte
    std::chrono::milliseconds drain{5'000};           // that, once the server stops
  };
  explicit SocketWriter(const Options& options) : options_(options) {}

  bool write(std::string_view chunk) override;
  bool closed() override;

  // Sends `bytes` as they are: the head.
  bool send(std::string_view bytes);
  // Ends a chunked body.
  bool finish();
  std::uint64_t written() const { return written_; }

 private:
  bool send_parts(std::string_view first, std::string_view second, std::string_view third);
  bool wait_writable();
  bool stopping() const;

  Options options_;
  std::uint64_t written_ = 0;  // bytes of the body
  bool failed_ = false;
};

}  // namespace vibed::http
