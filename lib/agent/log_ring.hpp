// LogRing: the newest lines of an app, bounded in number and in bytes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace vibed::agent {

enum class LogSource { out, err, vibed };

std::string_view to_string(LogSource source);  // "stdout"

struct RingLine {
  std::chrono::system_clock::time_point time;
  LogSource source = LogSource::out;
  std::string text;
};

// All methods may be called from any thread.
class LogRing {
 public:
  using Time = std::chrono::system_clock::time_point;
  static constexpr std::size_t kLongestLine = 64 * 1024;
  static constexpr std::size_t kMaxBytes = 1024 * 1024;

  explicit LogRing(int max_lines) : max_lines_(static_cast<std::size_t>(max_lines)) {}

  // Adds what an app wrote; a line counts when its newline has come, or 64 KiB without one.
  void append(LogSource source, std::string_view bytes, Time now);

  // What has no newline yet becomes a line: the app is gone.
  void flush(Time now);

  // A line of the agent's own.
  void remark(std::string text, Time now);

  void clear();

  // The newest `count` lines, oldest first, with what has no newline yet; count <= 0: all.
  std::vector<RingLine> tail(int count) const;

  struct Batch {
    std::vector<RingLine> lines;
    std::uint64_t next = 0;  // for the next call
  };
  // The complete lines from number `from` on, without waiting; lost ones are skipped over.
  Batch read(std::uint64_t from) const;

  // The number to start reading at for the newest `count` lines.
  std::uint64_t cursor(int count) const;

  // Waits for a line of number `from` or for close(). False: `timeout` came first.
  bool wait(std::uint64_t from, std::chrono::milliseconds timeout) const;

  // Wakes everybody who waits, now and in future.
  void close();

 private:
  void add(RingLine line);

  const std::size_t max_lines_;
  mutable std::mutex mutex_;
  mutable std::condition_variable grown_;
  std::deque<RingLine> lines_;  // guarded by mutex_, as all below
  std::uint64_t first_ = 0;     // number of lines_.front()
  std::size_t bytes_ = 0;
  std::string partial_[2];
  bool closed_ = false;
};

}  // namespace vibed::agent
