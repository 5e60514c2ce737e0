#include "base/work_set.hpp"

#include <algorithm>

namespace vibed {
namespace {

constexpr std::chrono::milliseconds kFirstRetry{5};
constexpr std::chrono::minutes kLongestRetry{11};
constexpr int kMaxDoublings = 17;  // 5 ms * 2^17 is the longest

}  // namespace

void WorkSet::assign(const std::string& key, const std::string& flow) {
  if (flow.empty()) {
    flows_.erase(key);
  } else {
    flows_.insert_or_assign(key, flow);
  }
}

void WorkSet::mark(const std::string& key) {
  if (!dirty_.insert(key).second) return;
  if (!processing_.contains(key)) line_up(key);
}

void WorkSet::line_up(const std::string& key) {
  auto flow = flows_.find(key);
  const std::string name = flow == flows_.end() ? "" : flow->second;
  auto& keys = ready_[name];
  if (keys.empty()) turns_.push_back(name);
  keys.push_back(key);
}

void WorkSet::add(const std::string& key) {
  if (auto at = later_.find(key); at != later_.end()) {
    due_.erase({at->second, key});
    later_.erase(at);
  }
  mark(key);
}

void WorkSet::add_at(const std::string& key, Time when) {
  auto [at, added] = later_.try_emplace(key, when);
  if (!added) {
    if (at->second <= when) return;
    due_.erase({at->second, key});
    at->second = when;
  }
  due_.insert({when, key});
}

WorkSet::Delay WorkSet::backoff(const std::string& key) {
  int& failures = failures_[key];
  Delay delay =
      std::min<Delay>(kFirstRetry * (1 << std::min(failures, kMaxDoublings)), kLongestRetry);
  ++failures;
  return delay;
}

void WorkSet::forget(const std::string& key) { failures_.erase(key); }

std::optional<std::string> WorkSet::take(Time now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    std::string key = due_.begin()->second;
    due_.erase(due_.begin());
    later_.erase(key);
    mark(key);
  }
  if (turns_.empty()) return std::nullopt;
  auto flow = ready_.find(turns_.front());
  turns_.pop_front();
  std::string key = std::move(flow->second.front());
  flow->second.pop_front();
  if (flow->second.empty()) {
    ready_.erase(flow);
  } else {
    turns_.push_back(flow->first);
  }
  dirty_.erase(key);
  processing_.insert(key);
  return key;
}

void WorkSet::finish(const std::string& key) {
  processing_.erase(key);
  if (dirty_.contains(key)) line_up(key);
}

std::optional<WorkSet::Time> WorkSet::next_due() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

}  // namespace vibed
