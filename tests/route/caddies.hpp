// The Caddies tests run with: the machine's own, and 2.11 when scripts/parts has built it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <ostream>
#include <string>

#include "base/fd.hpp"
#include "fetch/fetch.hpp"

namespace vibed::testing {

struct CaddyKind {
  std::string name;  // "machine" or "2.11"
  friend std::ostream& operator<<(std::ostream& out, const CaddyKind& kind) {
    return out << kind.name;
  }
};

// The program of that kind, or "" when there is none here.
std::string caddy_program(const CaddyKind& kind);

inline std::string name_of(const ::testing::TestParamInfo<CaddyKind>& info) {
  return info.param.name == "2.11" ? "Caddy211" : "CaddyOfTheMachine";
}

// Sends `method` http://`address``path` with that Host header.
Result<fetch::Response> ask(const std::string& address, const std::string& host,
                            fetch::Request request = {});

// A connection to `address` that was upgraded to a byte stream (as a WebSocket is), and what comes
// back for `bytes` on it: `length` bytes, or fewer when it ends.
Result<Fd> open_upgraded(const std::string& address, const std::string& host);
std::string say(int fd, const std::string& bytes, std::size_t length);

// Whether `condition` becomes true within ten seconds.
bool eventually(const std::function<bool()>& condition);

}  // namespace vibed::testing

#define NEEDS_CADDY(program)                                                              \
  if ((program).empty()) {                                                                \
    GTEST_SKIP() << "no such Caddy here; scripts/parts caddy builds 2.11 into the cache"; \
  }                                                                                       \
  static_assert(true, "")
