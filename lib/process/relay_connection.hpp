// One connection of a Relay: moves what can be moved now and never waits.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "process/relay.hpp"

namespace vibed {

struct PipeEnds {
  Fd reader;
  Fd writer;
};

// Empty pipes, lent to connections while something is on its way through them.
class PipePool {
 public:
  std::optional<PipeEnds> take();
  void give_back(PipeEnds pipe);  // REQUIRES: it is empty

 private:
  std::vector<PipeEnds> spare_;
};

class RelayConnection {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class Side : std::size_t { client = 0, app = 1 };
  enum class Outcome { waiting, more, done };  // more: stopped only to let others have a turn

  RelayConnection(Fd client, const RelayOptions& options, PipePool& pipes)
      : options_(options), pipes_(pipes), ends_{End{std::move(client)}, End{}} {}

  // Dials the target; without one, or refused at once, the answer will be 503. Returns false if it
  // was refused.
  bool connect(const RelayTarget& target, Time now);

  int fd(Side side) const { return end(side).fd.get(); }

  // Takes note of epoll's news about one side.
  void notice(Side side, std::uint32_t events);

  // Moves what there is.
  Outcome pump(Time now);

  // Whether the app refused the connection after connect() had returned; told once.
  bool take_refusal() { return std::exchange(refused_, false); }

  // When to give up if nothing happens.
  std::optional<Time> deadline() const { return deadline_; }

 private:
  enum class Mode { connecting, carrying, answering, discarding };

  struct End {
    Fd fd;
    bool readable = false;
    bool writable = false;
    bool gone = false;  // the peer can neither send nor receive any more
  };

  // One way through the relay.
  struct Flow {
    Side from;
    Side to;
    std::optional<PipeEnds> pipe = std::nullopt;
    std::size_t held = 0;  // bytes in the pipe
    bool ended = false;    // the sender has no more
    bool shut = false;     // and the receiver was told
    bool broken = false;   // the receiver takes no more; the rest is thrown away
  };

  const End& end(Side side) const { return ends_[static_cast<std::size_t>(side)]; }
  End& end(Side side) { return ends_[static_cast<std::size_t>(side)]; }
  void refuse(Time now);
  bool finish_connect(Time now);
  Outcome carry(Time now);
  bool fill(Flow& flow);
  bool empty(Flow& flow);
  bool move(Flow& flow);
  void settle(Flow& flow);
  Outcome answer(Time now);
  Outcome discard();
  bool read_scrap(End& from, bool& ended);

  const RelayOptions& options_;
  PipePool& pipes_;
  std::array<End, 2> ends_;
  Flow up_{Side::client, Side::app};
  Flow down_{Side::app, Side::client};
  Mode mode_ = Mode::connecting;
  RelayTarget target_;
  std::string head_;    // of a request that is answered here
  std::string answer_;  // what is still to be sent of the answer
  std::uint64_t discarded_ = 0;
  bool refused_ = false;
  std::optional<Time> deadline_;
};

}  // namespace vibed
