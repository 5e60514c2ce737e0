#include "agent/log_ring.hpp"

#include <algorithm>

namespace vibed::agent {
namespace {

constexpr std::size_t kOverhead = sizeof(RingLine) + 16;

}  // namespace

std::string_view to_string(LogSource source) {
  switch (source) {
    case LogSource::out: return "stdout";
    case LogSource::err: return "stderr";
    case LogSource::vibed: return "vibed";
  }
  return "";
}

void LogRing::append(LogSource source, std::string_view bytes, Time now) {
  std::lock_guard lock(mutex_);
  std::string& partial = partial_[source == LogSource::err ? 1 : 0];
  while (!bytes.empty()) {
    std::size_t room = kLongestLine - partial.size();
    std::size_t newline = bytes.substr(0, room).find('\n');
    if (newline == std::string_view::npos && bytes.size() < room) {
      partial += bytes;
      return;
    }
    bool whole = newline != std::string_view::npos;
    partial += bytes.substr(0, whole ? newline : room);
    bytes.remove_prefix(whole ? newline + 1 : room);
    if (whole && partial.ends_with('\r')) partial.pop_back();
    add({now, source, std::move(partial)});
    partial = std::string();
  }
}

void LogRing::flush(Time now) {
  std::lock_guard lock(mutex_);
  for (LogSource source : {LogSource::out, LogSource::err}) {
    std::string& partial = partial_[source == LogSource::err ? 1 : 0];
    if (!partial.empty()) add({now, source, std::move(partial)});
    partial = std::string();
  }
}

void LogRing::remark(std::string text, Time now) {
  std::lock_guard lock(mutex_);
  add({now, LogSource::vibed, std::move(text)});
}

void LogRing::add(RingLine line) {
  bytes_ += line.text.size() + kOverhead;
  lines_.push_back(std::move(line));
  while (lines_.size() > max_lines_ || (bytes_ > kMaxBytes && lines_.size() > 1)) {
    bytes_ -= lines_.front().text.size() + kOverhead;
    lines_.pop_front();
    ++first_;
  }
  grown_.notify_all();
}

void LogRing::clear() {
  std::lock_guard lock(mutex_);
  first_ += lines_.size();
  lines_.clear();
  bytes_ = 0;
  for (std::string& partial : partial_) partial.clear();
}

std::vector<RingLine> LogRing::tail(int count) const {
  std::lock_guard lock(mutex_);
  std::vector<RingLine> result(lines_.begin(), lines_.end());
  for (LogSource source : {LogSource::out, LogSource::err}) {
    const std::string& partial = partial_[source == LogSource::err ? 1 : 0];
    if (!partial.empty()) result.push_back({std::chrono::system_clock::now(), source, partial});
  }
  if (count > 0 && result.size() > static_cast<std::size_t>(count))
    result.erase(result.begin(), result.end() - count);
  return result;
}

LogRing::Batch LogRing::read(std::uint64_t from) const {
  std::lock_guard lock(mutex_);
  Batch batch;
  batch.next = first_ + lines_.size();
  std::uint64_t begin = std::max(from, first_);
  for (std::uint64_t at = begin; at < batch.next; ++at)
    batch.lines.push_back(lines_[static_cast<std::size_t>(at - first_)]);
  return batch;
}

std::uint64_t LogRing::cursor(int count) const {
  std::lock_guard lock(mutex_);
  std::uint64_t end = first_ + lines_.size();
  if (count <= 0) return first_;
  return end - std::min(static_cast<std::uint64_t>(count), end - first_);
}

bool LogRing::wait(std::uint64_t from, std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  return grown_.wait_for(lock, timeout, [&] { return closed_ || first_ + lines_.size() > from; });
}

void LogRing::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  grown_.notify_all();
}

}  // namespace vibed::agent
