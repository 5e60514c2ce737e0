// Guest is one running sandbox as the pool holds it: its processes and its agent's event stream.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "sandbox/agent_client.hpp"
#include "sandbox/event_loop.hpp"
#include "sandbox/launcher.hpp"
#include "sandbox/line_stream.hpp"

namespace vibed::sandbox {

// attach() and detach() belong to the loop's thread. Held by shared_ptr: the loop keeps it alive
// while it is attached.
class Guest : public std::enable_shared_from_this<Guest> {
 public:
  Guest(EventLoop& loop, AgentAddress address, Running running);

  // Calls `on_event` for each event of the agent and `on_gone` once, when PID 1 has ended. A
  // stream that ends while PID 1 lives is opened again; when that does not help the sandbox is
  // ended, because nobody can know any more what it does.
  void attach(std::function<void(const AgentEvent&)> on_event, std::function<void()> on_gone);
  void detach();

  const AgentAddress& address() const { return address_; }
  const std::string& id() const { return id_; }

  // Only signals and waits for it, from any thread.
  const Process& inner() const { return running_.inner; }
  // For Launcher::end(), when nobody else uses the guest any more.
  Running& running() { return running_; }

  std::mutex& record_mutex() { return record_mutex_; }  // one writer of state.json at a time

 private:
  void connect();
  void read();
  void lost();
  void close_events();

  EventLoop& loop_;
  const std::string id_;
  const AgentAddress address_;
  Running running_;
  std::mutex record_mutex_;
  std::function<void(const AgentEvent&)> on_event_;  // this and below: the loop's thread
  std::function<void()> on_gone_;
  std::uint64_t death_watch_ = 0;
  std::uint64_t events_watch_ = 0;
  Fd events_;
  LineStream lines_;
  int failures_ = 0;
};

}  // namespace vibed::sandbox
