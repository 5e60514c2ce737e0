// What the API server answers when it does not do what it was asked, and what that is to vibed.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kube/object.hpp"
#include "vibed/result.hpp"

namespace vibed::kube {

struct Cause {
  std::string reason;
  std::string message;
  std::string field;  // "spec.lane"
  friend bool operator==(const Cause&, const Cause&) = default;
};

// A meta/v1 Status, or what can be known of an answer that has none.
struct ApiStatus {
  int code = 0;  // of HTTP
  std::string reason;
  std::string message;
  std::string kind;  // of what the answer is about
  std::string name;
  std::vector<Cause> causes;
  std::optional<std::chrono::milliseconds> retry_after;
};

// Of an answer with the HTTP status `code`, its body and its Retry-After. Never fails: a proxy's
// page of HTML gives its first words as the message.
ApiStatus parse_status(int code, std::string_view body, std::string_view retry_after = {});

// Of the object of a watch's ERROR event.
ApiStatus status_of(const Json& object);

// "1" to "86400" seconds; nothing for anything else, dates included (the API server sends none).
std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view text);

// As vibed says it. Words: conflict, not_found and so on for what the class says, else
// watch_expired (410), kind_not_served, cluster_quota_exceeded, namespace_terminating,
// invalid_object.
Error to_error(const ApiStatus& status);

}  // namespace vibed::kube
