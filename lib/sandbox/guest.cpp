#include "sandbox/guest.hpp"

#include <signal.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "base/log.hpp"

namespace vibed::sandbox {
namespace {

using namespace std::chrono_literals;

constexpr int kReconnects = 3;
constexpr auto kReconnectDelay = 100ms;

}  // namespace

Guest::Guest(EventLoop& loop, AgentAddress address, Running running)
    : loop_(loop),
      id_(running.record.id),
      address_(std::move(address)),
      running_(std::move(running)) {}

void Guest::attach(std::function<void(const AgentEvent&)> on_event, std::function<void()> on_gone) {
  on_event_ = std::move(on_event);
  on_gone_ = std::move(on_gone);
  death_watch_ = loop_.watch(running_.inner.fd(), [self = shared_from_this()] {
    auto tell = std::exchange(self->on_gone_, {});
    self->detach();
    if (tell) tell();
  });
  connect();
}

void Guest::detach() {
  auto self = shared_from_this();  // the watches may hold the last reference
  close_events();
  loop_.unwatch(std::exchange(death_watch_, 0));
  on_event_ = {};
  on_gone_ = {};
}

void Guest::close_events() {
  loop_.unwatch(std::exchange(events_watch_, 0));
  events_.reset();
}

void Guest::connect() {
  auto connected = open_agent_events(address_);
  if (!connected) return lost();
  lines_ = LineStream();
  events_ = std::move(*connected);
  events_watch_ = loop_.watch(events_.get(), [self = shared_from_this()] { self->read(); });
}

void Guest::read() {
  char buffer[16384];
  ssize_t count = ::recv(events_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) return lost();
  auto lines = lines_.feed({buffer, static_cast<std::size_t>(count)});
  if (!lines) {
    log::warn("a sandbox's agent answers oddly",
              {{"sandbox", id_}, {"error", lines.error().message}});
    return lost();
  }
  for (const std::string& line : *lines) {
    auto event = agent_event_from_json(line);
    if (!event || !on_event_) continue;
    failures_ = 0;
    auto tell = on_event_;  // it may detach
    tell(*event);
  }
}

void Guest::lost() {
  close_events();
  if (!on_gone_) return;
  if (++failures_ > kReconnects) {
    log::warn("a sandbox's agent does not answer, ending it", {{"sandbox", id_}});
    (void)running_.inner.signal(SIGKILL);  // the death watch sees to the rest
    return;
  }
  loop_.after(kReconnectDelay, [self = shared_from_this()] {
    if (self->on_gone_ && !self->events_) self->connect();
  });
}

}  // namespace vibed::sandbox
