// Request and Response: what a handler sees of HTTP. No Boost here, so that handlers compile fast.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vibed/result.hpp"

namespace vibed::http {

// Whether two header names (or other ASCII words of HTTP) are equal but for case.
bool same_name(std::string_view a, std::string_view b);

// Header fields in order, names compared without case.
class Fields {
 public:
  void set(std::string name, std::string value);  // replaces
  void add(std::string name, std::string value);
  // The first value of `name`, or "".
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// An upload that was too large for memory: an open, already unlinked file. Closed with the request.
class BodyFile {
 public:
  explicit BodyFile(int fd, std::uint64_t size) : fd_(fd), size_(size) {}
  ~BodyFile();
  BodyFile(const BodyFile&) = delete;
  BodyFile& operator=(const BodyFile&) = delete;
  int fd() const { return fd_; }
  std::uint64_t size() const { return size_; }

 private:
  int fd_;
  std::uint64_t size_;
};

struct Request {
  std::string method;                             // upper case
  std::string target;                             // as sent: "/v1/apps?limit=3"
  std::string path;                               // decoded, "/v1/apps"
  std::map<std::string, std::string> query;       // decoded, last one wins
  std::map<std::string, std::string> parameters;  // of the route's {names}
  Fields headers;
  std::string body;                     // of routes whose body stays in memory
  std::shared_ptr<BodyFile> body_file;  // of routes that spool; null otherwise
  std::string peer;                     // "127.0.0.1:4711", or "unix"
  std::string local;                    // this end of the connection, likewise
  std::stop_token stop;                 // requested when the server stops: give up waiting
};

// Where a streaming response goes. One thread at a time.
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;
  // Sends one chunk and waits until it is on its way. False: the client is gone, stop.
  virtual bool write(std::string_view chunk) = 0;
  // Whether the client hung up or the server is stopping. Cheap; look at it while waiting for more.
  virtual bool closed() = 0;
};

struct Response {
  int status = 200;
  Fields headers;  // Content-Length, Transfer-Encoding and Connection are the server's
  std::string body;
  // Set: sent chunked after the head, `body` is ignored. Runs on a worker thread and may block.
  // Whatever it captures must not point into the Request.
  std::function<void(ResponseWriter&)> stream = {};
  // Of a stream whose size is known: sent as Content-Length, not chunked. A stream that writes less
  // ends in a closed connection, so that the client sees that something is missing.
  std::optional<std::uint64_t> stream_length = {};
};

// A JSON answer with Content-Type application/json.
Response json_response(int status, std::string body);
// {"code","message"} with the status of the error's reason (base/error_codes).
Response error_response(const Error& error);

using Handler = std::function<Response(Request&)>;

}  // namespace vibed::http
