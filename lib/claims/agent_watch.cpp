#include "claims/agent_watch.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.hpp"

namespace vibed::claims {
namespace {

using namespace std::chrono_literals;

constexpr auto kFirstDelay = 50ms;
constexpr auto kLongestDelay = 5000ms;
constexpr auto kConnectTimeout = 2000ms;

}  // namespace

AgentWatch::AgentWatch(sandbox::EventLoop& loop, sandbox::WorkCrew& crew,
                       sandbox::AgentAddress address, OnEvent on_event)
    : loop_(loop), crew_(crew), address_(std::move(address)), on_event_(std::move(on_event)) {}

void AgentWatch::open() { connect(); }

void AgentWatch::close() {
  loop_.post([self = shared_from_this()] {
    self->closed_ = true;
    self->on_event_ = {};
    self->shut();
  });
}

void AgentWatch::connect() {
  crew_.add([self = shared_from_this()] {
    auto stream = sandbox::open_agent_events(self->address_, kConnectTimeout);
    // A task is copied: it cannot own the descriptor alone.
    auto fd = std::make_shared<Fd>(stream ? std::move(*stream) : Fd());
    self->loop_.post([self, fd] { self->listen(std::move(*fd)); });
  });
}

void AgentWatch::listen(Fd stream) {
  if (closed_) return;
  if (!stream) return lost();
  lines_ = sandbox::LineStream();
  stream_ = std::move(stream);
  ++connection_;
  watch_ = loop_.watch(stream_.get(), [self = shared_from_this()] { self->read(); });
}

void AgentWatch::read() {
  char buffer[16384];
  ssize_t count = ::recv(stream_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) return lost();
  auto lines = lines_.feed({buffer, static_cast<std::size_t>(count)});
  if (!lines) {
    log::warn("an agent answers oddly",
              {{"agent", address_.host}, {"error", lines.error().message}});
    return lost();
  }
  for (const std::string& line : *lines) {
    auto event = sandbox::agent_event_from_json(line);
    if (!event || !on_event_) continue;
    delay_ = 0ms;
    on_event_(*event, connection_);
  }
}

void AgentWatch::lost() {
  shut();
  if (closed_) return;
  delay_ = std::clamp<std::chrono::milliseconds>(2 * delay_, kFirstDelay, kLongestDelay);
  loop_.after(delay_, [self = shared_from_this()] {
    if (!self->closed_) self->connect();
  });
}

void AgentWatch::shut() {
  loop_.unwatch(std::exchange(watch_, 0));
  stream_.reset();
}

}  // namespace vibed::claims
