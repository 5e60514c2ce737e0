// Where a request's body goes while it arrives: memory, or a file without a name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "http/message.hpp"
#include "http/router.hpp"
#include "vibed/result.hpp"

namespace vibed::http {

class BodyKeeper {
 public:
  // A keeper for one body. Fails when the file cannot be made (storage_full).
  static Result<BodyKeeper> open(const RouteOptions& options, const std::string& spool_directory);

  // payload_too_large past the route's limit, storage_full, or what else writing fails with.
  Status append(std::string_view bytes);

  // Puts what was kept into `request`.
  void finish(Request& request);

 private:
  RouteOptions options_;
  std::string memory_;
  Fd file_;
  std::uint64_t size_ = 0;
};

// payload_too_large with the limit in its message.
Error too_large(std::uint64_t limit);

}  // namespace vibed::http
