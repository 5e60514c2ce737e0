// Result<T>: the one way in which a vibed function tells that it failed.
#pragma once

#include <cassert>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "vibed/export.hpp"

namespace vibed {

// What the caller can do about a failure. These numbers are also the C interface's status codes:
// append, never renumber.
enum class Errc {
  invalid_argument = 1,   // the input is wrong; the same call will fail again
  unauthenticated = 2,    // no usable credential
  permission_denied = 3,  // a good credential that may not do this
  not_found = 4,
  already_exists = 5,
  conflict = 6,            // somebody else wrote first; read again, then retry
  resource_exhausted = 7,  // a limit was hit or a pool is empty
  unavailable = 8,         // the other side did not answer; retry later
  deadline_exceeded = 9,
  cancelled = 10,  // the caller asked to stop
  internal = 11,   // a bug in vibed
};

struct Error {
  Errc code = Errc::internal;
  std::string message;      // one line, lower case, no full stop; never a secret
  std::string reason = {};  // a stable word of the table in base/error_codes, "payload_too_large"

  // This error with what the caller was doing put in front: "open store: no such directory".
  VIBED_EXPORT Error during(std::string_view action) &&;
};

// A value of type T, or the Error that kept it from being made.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // REQUIRES: ok()
  T& operator*() & { return *operator->(); }
  const T& operator*() const& { return *operator->(); }
  T&& operator*() && { return std::move(*operator->()); }
  T* operator->() { return assert(ok()), std::get_if<0>(&state_); }
  const T* operator->() const { return assert(ok()), std::get_if<0>(&state_); }

  // REQUIRES: !ok()
  const Error& error() const& { return assert(!ok()), *std::get_if<1>(&state_); }
  Error&& error() && { return assert(!ok()), std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

// The outcome of a call that yields nothing.
using Status = Result<std::monostate>;
inline Status success() { return std::monostate{}; }

}  // namespace vibed
