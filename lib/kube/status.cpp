#include "kube/status.hpp"

#include <algorithm>
#include <charconv>

#include "base/error_codes.hpp"

namespace vibed::kube {
namespace {

constexpr std::size_t kLongestMessage = 2000;
constexpr std::size_t kLongestForeignMessage = 200;
constexpr std::size_t kMostCauses = 8;
constexpr std::int64_t kLongestRetryAfter = 86'400;

// Errors are one line.
std::string one_line(std::string_view text, std::size_t limit) {
  std::string line(text.substr(0, limit));
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < ' '; }, ' ');
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

Cause cause_of(const Json& object) {
  return {text_at(object, {"reason"}), text_at(object, {"message"}), text_at(object, {"field"})};
}

Errc class_of(int code) {
  switch (code) {
    case 401: return Errc::unauthenticated;
    case 403: return Errc::permission_denied;
    case 404: return Errc::not_found;
    case 408:
    case 504: return Errc::deadline_exceeded;
    case 409:
    case 412: return Errc::conflict;
    case 413: return Errc::invalid_argument;
    case 429: return Errc::resource_exhausted;
    default: return code >= 400 && code < 500 ? Errc::invalid_argument : Errc::unavailable;
  }
}

bool has_cause(const ApiStatus& status, std::string_view reason) {
  return std::any_of(status.causes.begin(), status.causes.end(),
                     [&](const Cause& cause) { return cause.reason == reason; });
}

// The word of what its class does not say; "" if it does.
std::string_view word_of(const ApiStatus& status) {
  if (status.code == 410 || status.reason == "Expired" || status.reason == "Gone") {
    return "watch_expired";
  }
  if (has_cause(status, "NamespaceTerminating")) return "namespace_terminating";
  if (status.code == 403 && status.message.find("exceeded quota") != std::string::npos) {
    return "cluster_quota_exceeded";
  }
  // Of an object that is missing the answer tells the name.
  if (status.code == 404 && status.name.empty()) return "kind_not_served";
  if (status.code == 422) return "invalid_object";
  return {};
}

}  // namespace

ApiStatus status_of(const Json& object) {
  ApiStatus status;
  const Json& code = find(object, {"code"});
  // A ruinous number must not become a success or a negative one.
  if (code.is_number_integer()) {
    const auto number = code.get<std::int64_t>();
    status.code = number >= 100 && number <= 599 ? static_cast<int>(number) : 500;
  }
  status.reason = one_line(text_at(object, {"reason"}), kLongestForeignMessage);
  status.message = one_line(text_at(object, {"message"}), kLongestMessage);
  status.kind = text_at(object, {"details", "kind"});
  status.name = text_at(object, {"details", "name"});
  const Json& causes = find(object, {"details", "causes"});
  if (causes.is_array()) {
    for (const Json& cause : causes) {
      if (status.causes.size() < kMostCauses) status.causes.push_back(cause_of(cause));
    }
  }
  const Json& seconds = find(object, {"details", "retryAfterSeconds"});
  if (seconds.is_number_integer()) {
    status.retry_after = parse_retry_after(std::to_string(seconds.get<std::int64_t>()));
  }
  return status;
}

ApiStatus parse_status(int code, std::string_view body, std::string_view retry_after) {
  ApiStatus status;
  auto object = parse_json(body);
  if (object && text_at(*object, {"kind"}) == "Status") {
    status = status_of(*object);
  } else {
    status.message = one_line(body, kLongestForeignMessage);
  }
  status.code = code;  // what was answered, whatever the text says
  if (auto delay = parse_retry_after(retry_after)) status.retry_after = delay;
  return status;
}

std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view text) {
  std::int64_t seconds = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, seconds);
  if (error != std::errc() || at != end || text.empty() || seconds < 1) return std::nullopt;
  return std::chrono::seconds(std::min(seconds, kLongestRetryAfter));
}

Error to_error(const ApiStatus& status) {
  std::string message = status.message;
  if (message.empty()) message = "the API server answers " + std::to_string(status.code);
  // An Invalid says all its causes in the message already; others may not.
  for (const Cause& cause : status.causes) {
    if (cause.message.empty() || message.find(cause.message) != std::string::npos) continue;
    const std::string field = cause.field.empty() ? "" : cause.field + ": ";
    message += "; " + field + one_line(cause.message, kLongestForeignMessage);
  }
  if (const std::string_view word = word_of(status); !word.empty()) {
    return make_error(word, std::move(message));
  }
  if (status.reason == "AlreadyExists") return {Errc::already_exists, std::move(message)};
  return {class_of(status.code), std::move(message)};
}

}  // namespace vibed::kube
