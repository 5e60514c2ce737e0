// Outgoing HTTP over libcurl: pooled handles, deadlines, streaming, unix sockets. Blocking.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vibed/result.hpp"
#include "vibed/stream.hpp"

namespace vibed::fetch {

// How an https server is known, and how we are known to it. All keys and certificates are PEM
// texts, so that a rotated file is seen by whoever reads it; a changed text means a new connection.
struct Tls {
  std::string authorities = {};  // that may vouch for the server; empty: the system's
  std::string certificate = {};  // of this client, intermediates after it
  std::string key = {};          // of `certificate`
  std::string server_name = {};  // to ask and check the server for, if not the URL's host
  bool insecure = false;         // the server is not checked at all
  friend bool operator==(const Tls&, const Tls&) = default;
};

struct Request {
  std::string method = "GET";
  std::string url = {};  // http://localhost/path with unix_socket, the host is only a Host header
  std::string unix_socket = {};  // path to dial instead of the URL's host
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};                      // or:
  ByteSource* body_source = nullptr;          // read while sending; outlives the call
  std::int64_t body_size = -1;                // of body_source; -1: chunked
  std::chrono::milliseconds timeout{30'000};  // of the whole exchange; 0: none
  std::chrono::milliseconds connect_timeout{5'000};
  std::stop_token stop = {};                      // ends the call with `cancelled`
  std::size_t max_body_bytes = 16 * 1024 * 1024;  // of a response kept in memory
  // Set: gets the response body piece by piece (2xx or not) instead of Response.body; return false
  // to end the call, which then succeeds.
  std::function<bool(std::string_view)> on_data = {};
  // Called with (sent, total) while body_source goes out.
  std::function<void(std::int64_t, std::int64_t)> on_upload = {};
  // Called with the status of the answer, before its body.
  std::function<void(int)> on_head = {};
  std::shared_ptr<const Tls> tls = {};  // of https; nothing: the system's authorities
  std::string proxy = {};               // "http://host:port"; empty: none
  bool repeatable = false;  // sent twice does no harm: a POST or PATCH may use a kept connection
  bool on_data_of_success = false;  // on_data gets 2xx bodies only; of others Response.body
};

struct Response {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string_view header(std::string_view name) const;  // without case; "" if absent
};

// Sends and waits. A response of any status is a success; `unavailable` when nobody answered,
// `deadline_exceeded`, `cancelled`, `resource_exhausted` past max_body_bytes, `invalid_argument`
// for keys and certificates that are none. Never follows redirects, never uses a proxy from the
// environment. A peer that is gone without a word is noticed within about a minute and a half. Any
// thread.
class Client {
 public:
  virtual ~Client() = default;
  virtual Result<Response> send(const Request& request) = 0;
};

std::unique_ptr<Client> make_client();

}  // namespace vibed::fetch
