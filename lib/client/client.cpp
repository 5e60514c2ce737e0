#include "vibed/client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error_codes.hpp"
#include "client/app_view.hpp"
#include "client/event_stream.hpp"
#include "client/json_text.hpp"
#include "client/multipart.hpp"
#include "client/packing.hpp"
#include "fetch/fetch.hpp"

namespace vibed {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kCallTimeout{60'000};  // a rollback waits as long as a deploy
constexpr milliseconds kFirstLook{120};
constexpr milliseconds kLongestLook{1'000};
constexpr milliseconds kReconnectDelay{300};
constexpr milliseconds kLongestRestart{30'000};  // of the server, until a deploy gives up on it

// Waits for `delay`; false when `stop` was requested meanwhile.
bool pause(milliseconds delay, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, delay, [] { return false; });
  return !stop.stop_requested();
}

bool is_unreachable(const Error& error) { return error.reason == "unreachable"; }

// A name typed by a person must not become another path of the API.
std::string app_path(const std::string& app) {
  std::string path = "/v1/apps/";
  for (const char c : app) {
    const auto byte = static_cast<unsigned char>(c);
    path += std::isalnum(byte) != 0 || c == '-' ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return path;
}

// What the server says went wrong: {"code","message"}.
Error error_of(int status, const std::string& body) {
  const json answer = json::parse(body, nullptr, false);
  const std::string word = text_of(answer, "code");
  std::string message = text_of(answer, "message");
  if (message.empty()) message = "status " + std::to_string(status);
  for (const auto& known : error_codes()) {
    if (known.word == word) return {known.errc, message, word};
  }
  Errc code = Errc::internal;
  if (status == 401) code = Errc::unauthenticated;
  if (status == 403) code = Errc::permission_denied;
  if (status == 404) code = Errc::not_found;
  if (status == 409) code = Errc::conflict;
  if (status == 429) code = Errc::resource_exhausted;
  if (status == 502 || status == 503) code = Errc::unavailable;
  if (code == Errc::internal && status / 100 == 4) code = Errc::invalid_argument;
  return {code, message, word};
}

// Tells the progress of one deploy, each phase once, from whichever thread.
class Reporter {
 public:
  explicit Reporter(const DeployRequest& request) : request_(request) {}

  void bytes(DeployProgress::Stage stage, std::uint64_t done, std::uint64_t total) {
    const std::lock_guard lock(mutex_);
    if (request_.progress) request_.progress({stage, done, total, "", ""});
  }

  void phase(const AppView& view) {
    const std::lock_guard lock(mutex_);
    if (view.phase.empty() || (view.phase == phase_ && view.message == message_)) return;
    phase_ = view.phase;
    message_ = view.message;
    if (request_.progress) {
      request_.progress({DeployProgress::Stage::phase, 0, 0, view.phase, view.message});
    }
  }

  void away(const std::string& message) {
    const std::lock_guard lock(mutex_);
    phase_.clear();  // what it is then is news again
    if (request_.progress) {
      request_.progress({DeployProgress::Stage::phase, 0, 0, "Waiting", message});
    }
  }

 private:
  const DeployRequest& request_;
  std::mutex mutex_;  // also keeps request_.progress from running twice at once
  std::string phase_;
  std::string message_;
};

class HttpClient final : public Client {
 public:
  explicit HttpClient(ClientOptions options)
      : options_(std::move(options)), fetch_(fetch::make_client()) {
    while (options_.url.ends_with('/')) options_.url.pop_back();
  }

  Result<std::string> deploy(const DeployRequest& request, std::chrono::seconds deadline,
                             std::stop_token stop) override;

  Result<std::string> call(const std::string& method, const std::string& path,
                           const std::string& body, std::stop_token stop) override {
    fetch::Request request = prepare(method, path, stop);
    request.timeout = kCallTimeout;
    request.body = body;
    if (!body.empty()) request.headers.emplace_back("Content-Type", "application/json");
    return send(request);
  }

  Status logs(const std::string& app, bool follow,
              const std::function<bool(std::string_view)>& on_line, std::stop_token stop) override;

 private:
  struct LogRun {
    bool opened = false;  // the server answered 200
    bool ended = false;   // on_line has had enough
  };

  fetch::Request prepare(const std::string& method, const std::string& path,
                         std::stop_token stop) const;
  Result<std::string> send(const fetch::Request& request) const;
  struct Upload {
    Result<std::string> answer;
    bool reached = false;  // somebody took bytes
  };
  Upload upload(const DeployRequest& request, steady_clock::time_point until, std::stop_token stop,
                Reporter& reporter);
  bool comes_back(steady_clock::time_point until, const std::stop_token& stop,
                  Reporter& reporter) const;
  void watch_phases(const std::string& app, const std::stop_token& stop, Reporter& reporter);
  Result<std::string> follow(const std::string& app, steady_clock::time_point until,
                             const std::stop_token& stop, Reporter& reporter);
  Result<LogRun> read_logs(const std::string& app, bool follow,
                           const std::function<bool(const ServerEvent&)>& on_event,
                           std::stop_token stop);

  ClientOptions options_;
  std::unique_ptr<fetch::Client> fetch_;
};

fetch::Request HttpClient::prepare(const std::string& method, const std::string& path,
                                   std::stop_token stop) const {
  fetch::Request request{.method = method, .url = options_.url + path, .stop = std::move(stop)};
  if (!options_.token.empty()) {
    request.headers.emplace_back("Authorization", "Bearer " + options_.token);
  }
  return request;
}

Result<std::string> HttpClient::send(const fetch::Request& request) const {
  auto answer = fetch_->send(request);
  if (!answer && answer.error().code == Errc::unavailable) {
    return make_error("unreachable", "no vibed answers at " + options_.url);
  }
  if (!answer) return std::move(answer).error();
  if (answer->status / 100 != 2) return error_of(answer->status, answer->body);
  return std::move(answer->body);
}

HttpClient::Upload HttpClient::upload(const DeployRequest& request, steady_clock::time_point until,
                                      std::stop_token stop, Reporter& reporter) {
  auto source = pack_source(request.path, [&](std::uint64_t bytes) {
    reporter.bytes(DeployProgress::Stage::packing, bytes, 0);
  });
  if (!source) return {std::move(source).error()};
  MultipartSource body(request.metadata_json, *source->bytes, source->size);
  fetch::Request upload = prepare("POST", "/v1/deploy", stop);
  upload.headers.emplace_back("Content-Type", body.content_type());
  const auto left = std::chrono::duration_cast<milliseconds>(until - steady_clock::now());
  upload.timeout = std::max(left, milliseconds(1));
  upload.body_source = &body;
  upload.body_size = body.size();
  const std::string name = text_of(json::parse(request.metadata_json, nullptr, false), "name");
  // The answer comes when the app serves; until then somebody may want to see how it goes.
  std::jthread watcher;
  bool reached = false;
  upload.on_upload = [&](std::int64_t sent, std::int64_t total) {
    reached = true;
    reporter.bytes(DeployProgress::Stage::uploading, static_cast<std::uint64_t>(sent),
                   static_cast<std::uint64_t>(total));
    if (sent < total || watcher.joinable()) return;
    reporter.bytes(DeployProgress::Stage::waiting, 0, 0);
    if (!request.progress) return;
    watcher = std::jthread([this, name, &reporter](const std::stop_token& done) {
      watch_phases(name, done, reporter);
    });
  };
  auto answer = send(upload);
  return {std::move(answer), reached};
}

// Waits for a server that is being restarted.
bool HttpClient::comes_back(steady_clock::time_point until, const std::stop_token& stop,
                            Reporter& reporter) const {
  reporter.away("no vibed answers at " + options_.url + ", trying again");
  until = std::min(until, steady_clock::now() + kLongestRestart);
  while (pause(kReconnectDelay, stop) && steady_clock::now() < until) {
    fetch::Request probe = prepare("GET", "/healthz", stop);
    probe.timeout = kLongestRestart;
    if (fetch_->send(probe)) return true;
  }
  return false;
}

void HttpClient::watch_phases(const std::string& app, const std::stop_token& stop,
                              Reporter& reporter) {
  while (pause(kFirstLook, stop)) {
    auto seen = call("GET", app_path(app), "", stop);
    if (seen) reporter.phase(view_app(*seen));
  }
}

Result<std::string> HttpClient::deploy(const DeployRequest& request, std::chrono::seconds deadline,
                                       std::stop_token stop) {
  const json metadata = json::parse(request.metadata_json, nullptr, false);
  if (!metadata.is_object()) {
    return make_error("bad_metadata", "the metadata is not a JSON object");
  }
  const auto until = steady_clock::now() + deadline;
  Reporter reporter(request);
  Upload done = upload(request, until, stop, reporter);
  // Whether the deploy was recorded before the server went, nobody can say: the same source once
  // more is at worst one version too many.
  const bool lost = !done.answer && done.reached && is_unreachable(done.answer.error());
  if (lost && comes_back(until, stop, reporter)) done = upload(request, until, stop, reporter);
  if (!done.answer) return std::move(done.answer).error();
  const json outcome = json::parse(*done.answer, nullptr, false);
  const std::string app = text_of(outcome, "app_id");
  if (app.empty()) {
    return Error{Errc::unavailable, options_.url + " does not answer like vibed"};
  }
  return follow(app, until, stop, reporter);
}

Result<std::string> HttpClient::follow(const std::string& app, steady_clock::time_point until,
                                       const std::stop_token& stop, Reporter& reporter) {
  milliseconds delay = kFirstLook;
  for (;;) {
    auto seen = call("GET", app_path(app), "", stop);
    if (!seen && is_unreachable(seen.error()) && comes_back(until, stop, reporter)) continue;
    if (!seen) return seen;
    const AppView view = view_app(*seen);
    reporter.phase(view);
    if (view.settled || steady_clock::now() + delay > until) return seen;
    if (!pause(delay, stop)) return Error{Errc::cancelled, "stopped"};
    delay = std::min(delay * 3 / 2, kLongestLook);
  }
}

Result<HttpClient::LogRun> HttpClient::read_logs(
    const std::string& app, bool follow, const std::function<bool(const ServerEvent&)>& on_event,
    std::stop_token stop) {
  fetch::Request request =
      prepare("GET", app_path(app) + "/logs" + (follow ? "?follow=true" : ""), stop);
  request.timeout = follow ? milliseconds(0) : kCallTimeout;
  LogRun run;
  EventStream events;
  std::string text;  // an error answer is JSON, not events
  request.on_data = [&](std::string_view bytes) {
    if (text.size() < 4096) text += bytes.substr(0, 4096 - text.size());
    run.ended = !events.feed(bytes, on_event);
    return !run.ended;
  };
  auto answer = fetch_->send(request);
  if (answer && answer->status / 100 != 2) return error_of(answer->status, text);
  run.opened = answer.ok() || !text.empty();
  if (answer || run.opened) {
    if (stop.stop_requested()) return Error{Errc::cancelled, "stopped"};
    return run;
  }
  if (answer.error().code == Errc::unavailable) {
    return make_error("unreachable", "no vibed answers at " + options_.url);
  }
  return answer.error();
}

Status HttpClient::logs(const std::string& app, bool follow,
                        const std::function<bool(std::string_view)>& on_line,
                        std::stop_token stop) {
  LineOverlap overlap;
  Status failed = success();
  bool seen = false;
  const auto give = [&](const std::vector<std::string>& lines) {
    return std::all_of(lines.begin(), lines.end(), on_line);
  };
  const auto on_event = [&](const ServerEvent& event) {
    if (event.type == "error") failed = Error{Errc::unavailable, event.data};
    return event.type == "error" || give(overlap.next(event.data));
  };
  for (;;) {
    failed = success();
    auto run = read_logs(app, follow, on_event, stop);
    // A vibed that restarts is waited for; whoever was never there is not.
    const bool away = !run && is_unreachable(run.error()) && seen;
    if (!run && !away) return run.error();
    if (run) seen = true;
    if (!give(overlap.finish()) || (run && run->ended)) return success();
    if (!follow) return failed;
    if (!pause(kReconnectDelay, stop)) return Error{Errc::cancelled, "stopped"};
    overlap.restart();
  }
}

}  // namespace

std::unique_ptr<Client> make_client(ClientOptions options) {
  return std::make_unique<HttpClient>(std::move(options));
}

}  // namespace vibed
