// Board: where the agent's state hangs for everybody who wants to read it or wait for a change.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/supervisor.hpp"

namespace vibed::agent {

struct AgentState {
  AppState state = AppState::idle;
  std::int64_t generation = 0;
  int pid = 0;  // of the running app, or of the last one
  bool running = false;
  int port = 0;         // where it listens; 0: nowhere yet
  std::string address;  // as it was bound, "0.0.0.0"
  int told_port = 0;    // where it was told to listen
  std::vector<std::string> command;
  std::string plan_reason;
  std::optional<ExitStatus> exit_status;
  int restarts = 0;
  std::string reason;
  std::string message;
  std::vector<std::string> log;  // the last lines, of a failure
};

// One line of GET /events, without the newline.
std::string event_line(const AgentState& state);

// The status object of contract v1.
std::string status_object(const AgentState& state);

// All methods may be called from any thread.
class Board {
 public:
  struct Note {
    AgentState state;
    std::uint64_t version = 0;  // grows with every change
  };

  void publish(AgentState state);
  Note read() const;

  // The state once its version is no longer `seen`; nothing after `timeout` or close().
  std::optional<Note> wait(std::uint64_t seen, std::chrono::milliseconds timeout) const;

  void close();
  bool closed() const;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  Note note_;            // guarded by mutex_
  bool closed_ = false;  // guarded by mutex_
};

}  // namespace vibed::agent
