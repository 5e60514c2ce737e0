#include "lifecycle/memory.hpp"

#include <algorithm>

namespace vibed::lifecycle {
namespace {

constexpr std::chrono::milliseconds kFirstClaimWait{100};
constexpr std::chrono::milliseconds kLongestClaimWait{5'000};
constexpr std::chrono::milliseconds kFirstLossWait{1'000};
constexpr std::chrono::milliseconds kLongestLossWait{30'000};
constexpr std::chrono::minutes kCalm{1};  // this long without a loss, and the count begins again

std::chrono::milliseconds doubled(std::chrono::milliseconds first, int times,
                                  std::chrono::milliseconds most) {
  return std::min(most, first * (1 << std::min(times, 20)));
}

}  // namespace

void recall(Memory& memory, const App& app) {
  if (memory.uid == app.uid && memory.generation == app.generation) return;
  memory = Memory{};
  memory.uid = app.uid;
  memory.generation = app.generation;
}

void remember_claim(Memory& memory, const std::optional<Error>& error, Time now) {
  memory.claim_error = error;
  if (!error) {
    memory.claim_failures = 0;
    memory.claim_after.reset();
    return;
  }
  memory.claim_after = now + doubled(kFirstClaimWait, memory.claim_failures, kLongestClaimWait);
  ++memory.claim_failures;
}

void remember_injection(Memory& memory, const std::string& sandbox,
                        const std::optional<Error>& error) {
  if (error && !is_terminal(*error)) return;
  memory.injected = sandbox;
  memory.inject_error = error;
}

void remember_loss(Memory& memory, Time now) {
  if (now - memory.lost_at > kCalm) memory.losses = 0;
  memory.lost_at = now;
  if (memory.losses > 0) {
    memory.claim_after = now + doubled(kFirstLossWait, memory.losses - 1, kLongestLossWait);
  }
  ++memory.losses;
}

bool is_terminal(const Error& error) {
  return error.code == Errc::invalid_argument || error.code == Errc::not_found;
}

}  // namespace vibed::lifecycle
