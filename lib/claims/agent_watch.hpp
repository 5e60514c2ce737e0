// AgentWatch hears the agent of one pod for as long as it is wanted.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/fd.hpp"
#include "sandbox/agent_client.hpp"
#include "sandbox/event_loop.hpp"
#include "sandbox/line_stream.hpp"
#include "sandbox/work_crew.hpp"

namespace vibed::claims {

// Connects on the crew, reads on the loop; both outlive it. A stream that ends is opened again,
// later and later up to five seconds, until close(): whether the pod is gone is for the cluster to
// say.
class AgentWatch : public std::enable_shared_from_this<AgentWatch> {
 public:
  // `connection` counts from 1: what was seen on an older one may be out of date.
  using OnEvent = std::function<void(const sandbox::AgentEvent&, std::uint64_t connection)>;

  AgentWatch(sandbox::EventLoop& loop, sandbox::WorkCrew& crew, sandbox::AgentAddress address,
             OnEvent on_event);

  void open();   // any thread, once
  void close();  // any thread; the loop may be in on_event at that moment
  const sandbox::AgentAddress& address() const { return address_; }

 private:
  void connect();
  void listen(Fd stream);
  void read();
  void lost();
  void shut();

  sandbox::EventLoop& loop_;
  sandbox::WorkCrew& crew_;
  const sandbox::AgentAddress address_;
  OnEvent on_event_;  // this and below: the loop's thread
  Fd stream_;
  sandbox::LineStream lines_;
  std::uint64_t watch_ = 0;
  std::uint64_t connection_ = 0;
  std::chrono::milliseconds delay_{0};
  bool closed_ = false;
};

}  // namespace vibed::claims
