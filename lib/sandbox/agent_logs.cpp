// The log stream of one sandbox: a thread reads what the agent sends, the caller takes lines.
#include <condition_variable>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/time.hpp"
#include "sandbox/agent_client.hpp"

namespace vibed::sandbox {
namespace {

using Json = nlohmann::json;

// A reader this far behind holds the agent up, which then drops lines of its ring.
constexpr std::size_t kMaxQueued = 1000;
constexpr std::size_t kMaxLine = 1024 * 1024;

std::string text_of(const Json& value, const char* key) {
  auto at = value.find(key);
  return at != value.end() && at->is_string() ? at->get<std::string>() : std::string();
}

LogLine line_from_json(std::string_view text) {
  LogLine line;
  Json value = Json::parse(text, nullptr, false);
  if (!value.is_object()) return {{}, "stdout", std::string(text)};
  if (auto time = parse_rfc3339(text_of(value, "time"))) line.time = *time;
  line.stream = text_of(value, "stream");
  line.text = text_of(value, "text");
  return line;
}

class AgentLogs final : public LogStream {
 public:
  AgentLogs(fetch::Client& client, const AgentAddress& agent, const LogRequest& request)
      : client_(client), thread_([this, agent, request](std::stop_token stop) {
          read(agent, request, std::move(stop));
        }) {}

  Result<std::optional<LogLine>> next(std::stop_token stop,
                                      std::chrono::steady_clock::time_point deadline) override {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_until(lock, stop, deadline, [&] { return ended_ || !lines_.empty(); })) {
      if (stop.stop_requested()) return Error{Errc::cancelled, "stopped waiting for a log line"};
      return Error{Errc::deadline_exceeded, "no log line came in time"};
    }
    if (lines_.empty()) return std::optional<LogLine>();
    LogLine line = std::move(lines_.front());
    lines_.pop_front();
    changed_.notify_all();
    return std::optional<LogLine>(std::move(line));
  }

 private:
  void read(const AgentAddress& agent, const LogRequest& wanted, std::stop_token stop) {
    fetch::Request request;
    request.url = "http://" + (agent.host.empty() ? "localhost" : agent.host) +
                  "/logs?lines=" + std::to_string(wanted.tail) + (wanted.follow ? "&follow=1" : "");
    request.unix_socket = agent.control_socket;
    request.headers = {{"Authorization", "Bearer " + agent.token},
                       {"Accept", "application/x-ndjson"}};
    request.stop = stop;
    request.timeout = wanted.follow ? std::chrono::seconds(0) : std::chrono::seconds(10);
    request.on_data = [&](std::string_view bytes) { return take(bytes, stop); };
    (void)client_.send(request);
    std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }

  bool take(std::string_view bytes, const std::stop_token& stop) {
    partial_.append(bytes);
    std::unique_lock lock(mutex_);
    for (std::size_t end; (end = partial_.find('\n')) != std::string::npos;) {
      if (end > 0) lines_.push_back(line_from_json(std::string_view(partial_).substr(0, end)));
      partial_.erase(0, end + 1);
    }
    changed_.notify_all();
    if (partial_.size() > kMaxLine) return false;
    return changed_.wait(lock, stop, [&] { return lines_.size() < kMaxQueued; });
  }

  fetch::Client& client_;
  std::string partial_;  // the reading thread's
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<LogLine> lines_;  // guarded by mutex_
  bool ended_ = false;         // guarded by mutex_
  std::jthread thread_;        // last: uses all of the above
};

}  // namespace

std::unique_ptr<LogStream> agent_logs(fetch::Client& client, const AgentAddress& agent,
                                      const LogRequest& request) {
  return std::make_unique<AgentLogs>(client, agent, request);
}

}  // namespace vibed::sandbox
