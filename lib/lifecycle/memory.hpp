// Memory is what the loop remembers of one app between two steps. Losing all of it costs time,
// never correctness: everything that matters is in the record and in the pool.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "vibed/app.hpp"
#include "vibed/result.hpp"

namespace vibed::lifecycle {

struct Memory {
  std::string uid;              // of the app that the rest is about
  std::int64_t generation = 0;  // and the generation

  std::optional<Error> claim_error;  // of the last claim, if it failed
  int claim_failures = 0;            // in a row
  std::optional<Time> claim_after;   // no claim before that

  std::string injected;               // the sandbox that was last injected …
  std::optional<Error> inject_error;  // … or that refused the injection for good

  int losses = 0;  // sandboxes that died though wanted, with less than a minute between
  Time lost_at = {};

  // Whether there is nothing worth keeping.
  bool blank() const {
    return claim_failures == 0 && !claim_after && injected.empty() && losses == 0;
  }
};

// Starts anew when `app` is not what the memory is about.
void recall(Memory& memory, const App& app);

// What claims and losses teach. Waits double: 100 ms to 5 s after a failed claim, nothing at first
// and then 1 s to 30 s after a loss.
void remember_claim(Memory& memory, const std::optional<Error>& error, Time now);
void remember_injection(Memory& memory, const std::string& sandbox,
                        const std::optional<Error>& error);
void remember_loss(Memory& memory, Time now);

// Whether trying again cannot help until the app's spec changes.
bool is_terminal(const Error& error);

}  // namespace vibed::lifecycle
