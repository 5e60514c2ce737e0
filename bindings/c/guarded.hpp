// How every function of the C interface ends: a status, and never an exception.
#pragma once

#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>

#include "vibed.h"
#include "vibed/result.hpp"

namespace vibed::c {

// `text` for the caller to free, or nullptr when there is no memory.
inline char* copy(std::string_view text) noexcept {
  auto* bytes = static_cast<char*>(std::malloc(text.size() + 1));
  if (bytes == nullptr) return nullptr;
  std::memcpy(bytes, text.data(), text.size());
  bytes[text.size()] = '\0';
  return bytes;
}

inline vibed_status fail(const Error& error, char** message) noexcept {
  if (message != nullptr) *message = copy(error.message);
  return static_cast<vibed_status>(error.code);
}

// Runs `body` and turns every way it can end into a status. Nothing is thrown into C.
template <class Body>
vibed_status guarded(char** message, Body body) noexcept {
  try {
    Status done = body();
    return done ? VIBED_OK : fail(done.error(), message);
  } catch (const std::exception& e) {
    if (message != nullptr) *message = copy(e.what());
  } catch (...) {
    if (message != nullptr) *message = copy("unknown exception");
  }
  return VIBED_INTERNAL;
}

inline Error null_argument(std::string_view name) {
  return {Errc::invalid_argument, std::string(name) + " is NULL"};
}

// The text of `result` into `*out`.
inline Status hand_out(const Result<std::string>& result, char** out) {
  if (!result) return result.error();
  char* text = copy(*result);
  if (text == nullptr) return Error{Errc::resource_exhausted, "out of memory"};
  *out = text;
  return success();
}

inline std::string_view or_empty(const char* text) { return text == nullptr ? "" : text; }

}  // namespace vibed::c
