// RequestParser turns the bytes of a connection into requests. No socket in here: bytes in, heads
// and bodies out.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "http/head_rules.hpp"
#include "http/message.hpp"
#include "vibed/result.hpp"
#include "vibed/stream.hpp"

namespace vibed::http {

struct Head {
  std::string method;
  std::string target;
  int minor = 1;  // of HTTP/1.x
  Fields fields;
  Framing framing;

  bool has_body() const { return framing.chunked || framing.content_length.value_or(0) > 0; }
};

// After an error the parser is of no further use: where the next request begins is not known.
class RequestParser {
 public:
  explicit RequestParser(std::size_t max_head_bytes);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Room for at least `size` more bytes of the connection; commit() says how many came.
  std::span<char> prepare(std::size_t size);
  void commit(std::size_t size);
  bool empty() const;  // nothing has arrived that is not used up

  // The next request's head, nothing while it is incomplete. bad_request, headers_too_large.
  Result<std::optional<Head>> take_head();

  // Gives what has arrived of the body to `sink`; true when that was the end of it. bad_request,
  // or what the sink fails with.
  // REQUIRES: take_head() gave a head, and this has not returned true for it
  Result<bool> take_body(const ByteSink& sink);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vibed::http
