// The small rules of an App value: names, labels, phases, conditions.
#include "vibed/app.hpp"

#include <algorithm>
#include <array>

#include "base/ids.hpp"

namespace vibed {
namespace {

constexpr std::size_t kMaxName = 63;
constexpr std::size_t kLabelBytes = 8;
constexpr std::size_t kLabelLength = 12;

constexpr std::array kPhases = {Phase::none,  Phase::pending,   Phase::claiming, Phase::starting,
                                Phase::ready, Phase::suspended, Phase::failed};

bool is_name_end(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

bool is_app_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxName) return false;
  if (!is_name_end(name.front()) || !is_name_end(name.back())) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return is_name_end(c) || c == '-'; });
}

std::string app_label(std::string_view space, std::string_view name) {
  Sha256 hash;
  hash.update(space);
  hash.update("/");
  hash.update(name);
  Sha256Digest digest = hash.finish();
  std::string_view first(reinterpret_cast<const char*>(digest.data()), kLabelBytes);
  return to_base32hex(first).substr(0, kLabelLength);
}

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::none: return "";
    case Phase::pending: return "Pending";
    case Phase::claiming: return "Claiming";
    case Phase::starting: return "Starting";
    case Phase::ready: return "Ready";
    case Phase::suspended: return "Suspended";
    case Phase::failed: return "Failed";
  }
  return "";
}

Result<Phase> parse_phase(std::string_view text) {
  for (Phase phase : kPhases) {
    if (to_string(phase) == text) return phase;
  }
  return Error{Errc::invalid_argument, "\"" + std::string(text) + "\" is not a phase"};
}

const Condition* find_condition(const AppStatus& status, std::string_view type) {
  for (const Condition& condition : status.conditions) {
    if (condition.type == type) return &condition;
  }
  return nullptr;
}

void set_condition(AppStatus& status, Condition condition, Time now) {
  condition.last_transition_time = std::chrono::floor<std::chrono::seconds>(now);
  for (Condition& old : status.conditions) {
    if (old.type != condition.type) continue;
    if (old.status == condition.status) condition.last_transition_time = old.last_transition_time;
    old = std::move(condition);
    return;
  }
  status.conditions.push_back(std::move(condition));
}

}  // namespace vibed
