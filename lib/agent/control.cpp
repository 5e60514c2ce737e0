#include "agent/control.hpp"

#include <charconv>

#include <nlohmann/json.hpp>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "process/run.hpp"

namespace vibed::agent {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::seconds;

// 256 KiB of environment, however much JSON makes of it.
constexpr std::size_t kMaxAbout = 2 * 1024 * 1024;
// 50 MiB of source, and one byte more so that what is too large is seen to be.
constexpr std::uint64_t kMaxInject = 50ULL * 1024 * 1024 + 64 * 1024 + kMaxAbout;
constexpr std::size_t kMaxInlineBody = 50ULL * 1024 * 1024;
constexpr seconds kKeepAlive{15};
constexpr const char* kLines = "application/x-ndjson";

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Errors of the agent are {"error"}, also in v2.
http::Response error_answer(int status, const std::string& text) {
  return http::json_response(status, text_of({{"error", text}}));
}

bool wants_lines(const http::Request& request) {
  return request.headers.get("Accept").find(kLines) != std::string_view::npos;
}

http::Response line_stream(std::function<void(http::ResponseWriter&)> stream) {
  http::Response response;
  response.headers.set("Content-Type", kLines);
  response.headers.set("Cache-Control", "no-store");
  response.stream = std::move(stream);
  return response;
}

std::string log_line(const RingLine& line) {
  return text_of({{"time", to_rfc3339_nano(line.time)},
                  {"stream", to_string(line.source)},
                  {"text", line.text}}) +
         "\n";
}

int lines_of(const http::Request& request) {
  auto at = request.query.find("lines");
  int lines = 0;
  if (at != request.query.end())
    std::from_chars(at->second.data(), at->second.data() + at->second.size(), lines);
  return std::max(lines, 0);
}

std::string trimmed(const std::string& text) {
  std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// The last line of an inject stream; nothing while the app has neither listened nor ended for good.
std::optional<std::string> outcome_line(const AgentState& state) {
  if (state.state == AppState::listening)
    return text_of({{"event", "listening"}, {"port", state.port}, {"address", state.address}});
  if (state.state == AppState::idle)
    return text_of({{"event", "failed"},
                    {"reason", "StartFailed"},
                    {"message", "the app was stopped"},
                    {"log", Json::array()}});
  if (state.state != AppState::failed) return std::nullopt;
  if (state.exit_status)
    return text_of({{"event", "exited"},
                    {"code", state.exit_status->code},
                    {"signal", state.exit_status->signal},
                    {"log", state.log}});
  return text_of({{"event", "failed"},
                  {"reason", state.reason},
                  {"message", state.message},
                  {"log", state.log}});
}

// What is said about an injection is a header, or the beginning of the body: a header has little
// room.
Result<InjectBody> take_apart(const http::Request& request) {
  InjectBody body{std::string(request.headers.get("X-Vibed-Inject")), request.body_file, 0};
  std::string_view length = request.headers.get("X-Vibed-Inject-Length");
  if (length.empty()) return body;
  auto [end, error] =
      std::from_chars(length.data(), length.data() + length.size(), body.archive_at);
  if (error != std::errc() || end != length.data() + length.size() || !body.file ||
      body.archive_at > kMaxAbout || body.archive_at > body.file->size())
    return Error{Errc::invalid_argument, "X-Vibed-Inject-Length: not a length, or too large"};
  auto range = make_file_range_source(body.file->fd(), 0, body.archive_at);
  auto about = read_all(*range, kMaxAbout);
  if (!about) return std::move(about).error();
  body.about = *std::move(about);
  return body;
}

}  // namespace

std::unique_ptr<ByteSource> InjectBody::archive() const {
  if (!has_archive()) return make_memory_source("");
  return make_file_range_source(file->fd(), archive_at, file->size() - archive_at);
}

http::Router Control::router() {
  http::Router router;
  auto plain = [](auto body) { return [body](http::Request& request) { return body(request); }; };
  http::RouteOptions spooled{http::BodyMode::spool, kMaxInject};
  router.add("*", "/healthz", plain([](http::Request&) {
               http::Response response;
               response.headers.set("Content-Type", "text/plain; charset=utf-8");
               response.body = "ok\n";
               return response;
             }));
  router.add("*", "/info", plain([this](http::Request&) { return info(); }));
  router.add("*", "/inject", plain([this](http::Request& r) { return inject(r); }), spooled);
  router.add("*", "/status", plain([this](http::Request&) { return status(); }));
  router.add("*", "/stop", plain([this](http::Request& r) { return stop(r); }));
  router.add("*", "/logs", plain([this](http::Request& r) { return logs(r); }));
  router.add("*", "/events", plain([this](http::Request&) { return events(); }));
  router.add("*", "/drain", plain([this](http::Request& r) { return drain(r); }));
  return router;
}

std::unique_ptr<http::Response> Control::refuse(const http::Request& request) {
  if (request.path == "/healthz" || request.path == "/info") return nullptr;
  std::string token;
  {
    std::lock_guard lock(mutex_);
    token = token_;
  }
  if (token.empty() && !config_.require_auth) return nullptr;
  if (token.empty()) {
    return std::make_unique<http::Response>(
        error_answer(401, "control API requires authentication but no token is configured"));
  }
  std::string_view given = request.headers.get("Authorization");
  if (given.starts_with("Bearer ")) given.remove_prefix(7);
  if (equal_constant_time(given, token)) return nullptr;
  return std::make_unique<http::Response>(error_answer(401, "invalid or missing bearer token"));
}

http::Response Control::info() {
  std::lock_guard lock(probe_mutex_);
  if (info_) return http::json_response(200, *info_);
  Json json = {{"language", config_.language}, {"agentContract", "2"}};
  json["runtimeProbeOK"] = true;
  if (!config_.runtime_probe.empty()) {
    auto alone = runner_.hold_reaper();
    std::vector<std::string> env;
    for (const auto& [name, value] : config_.app_environment) env.push_back(name + "=" + value);
    auto result = run({"sh", "-c", config_.runtime_probe + "\n"},
                      {.timeout = seconds(10), .env = env, .max_output = 64 * 1024});
    json["runtimeProbe"] = config_.runtime_probe;
    json["runtimeProbeOK"] = result && result->status.ok();
    json["runtimeProbeOutput"] =
        result ? trimmed(result->out + result->err) : result.error().message;
  }
  info_ = text_of(json);
  return http::json_response(200, *info_);
}

http::Response Control::status() const {
  return http::json_response(200, status_object(board_.read().state));
}

http::Response Control::inject(http::Request& request) {
  if (request.method != "POST") return error_answer(405, "use POST");
  std::string_view type = request.headers.get("Content-Type");
  if (type.starts_with("application/gzip")) return inject_v2(request);
  return pull(request);
}

http::Response Control::inject_v2(http::Request& request) {
  auto body = take_apart(request);
  if (!body) return error_answer(400, body.error().message);
  auto inject = parse_inject_request(body->about);
  if (!inject) return error_answer(400, inject.error().message);
  const bool pulls = !inject->source_url.empty();
  if (!pulls && !body->has_archive()) return error_answer(400, "the source is missing");
  if (pulls && body->has_archive())
    return error_answer(400, "the source is the body or at source_url, not both");
  Status claimed = injector_.claim();
  if (!claimed) return error_answer(409, claimed.error().message);
  if (!inject->token.empty()) {
    std::lock_guard lock(mutex_);
    token_ = inject->token;
  }
  if (wants_lines(request)) return inject_stream(*std::move(inject), *std::move(body));
  auto pushed = body->archive();
  std::uint64_t seen = board_.read().version;
  Status injected = injector_.inject(*inject, *pushed, [](const std::string&) {});
  if (!injected) return error_answer(400, injected.error().message);
  (void)board_.wait(seen, seconds(30));
  return status();
}

http::Response Control::inject_stream(InjectRequest inject, InjectBody body) {
  // What happens goes on when the client hangs up: /events shows it.
  return line_stream(
      [this, inject = std::move(inject), body = std::move(body)](http::ResponseWriter& out) {
        auto pushed = body.archive();
        std::uint64_t seen = board_.read().version;
        const auto tell = [&](const std::string& line) { out.write(line + "\n"); };
        (void)injector_.inject(inject, *pushed, tell);
        tell_outcome(seen, out);
      });
}

// States may be skipped, the lines may not: each is made from what must have come before.
void Control::tell_outcome(std::uint64_t seen, http::ResponseWriter& out) {
  bool told_start = false;
  for (;;) {
    auto note = board_.wait(seen, kKeepAlive);
    if (!note) {
      if (board_.closed() || !out.write("\n")) return;
      continue;
    }
    seen = note->version;
    const AgentState& state = note->state;
    if (!told_start && state.pid != 0) {
      out.write(text_of({{"event", "started"}, {"pid", state.pid}}) + "\n");
      told_start = true;
    }
    auto last = outcome_line(state);
    if (last) {
      out.write(*last + "\n");
      return;
    }
  }
}

http::Response Control::pull(http::Request& request) {
  std::string body = std::move(request.body);
  if (request.body_file) {
    auto source = make_file_range_source(request.body_file->fd(), 0, request.body_file->size());
    auto text = read_all(*source, kMaxInlineBody);
    if (!text) return error_answer(400, text.error().message);
    body = *std::move(text);
  }
  auto pull = parse_pull_request(body);
  if (!pull) return error_answer(400, pull.error().message);
  Status done = injector_.pull(*pull, {});
  if (!done)
    return error_answer(done.error().code == Errc::conflict ? 409 : 400, done.error().message);
  return status();
}

http::Response Control::events() {
  return line_stream([this](http::ResponseWriter& out) {
    Board::Note note = board_.read();
    if (!out.write(event_line(note.state) + "\n")) return;
    std::uint64_t seen = note.version;
    for (;;) {
      auto next = board_.wait(seen, kKeepAlive);
      if (!next && board_.closed()) return;
      if (next) seen = next->version;
      if (!out.write(next ? event_line(next->state) + "\n" : "\n")) return;
    }
  });
}

http::Response Control::logs(const http::Request& request) {
  int lines = lines_of(request);
  auto follow = request.query.find("follow");
  bool following = follow != request.query.end() && follow->second == "1";
  if (wants_lines(request) && following) return follow_logs(lines);
  std::vector<RingLine> tail = ring_.tail(lines);
  if (wants_lines(request)) {
    http::Response response;
    response.headers.set("Content-Type", kLines);
    for (const RingLine& line : tail) response.body += log_line(line);
    return response;
  }
  Json texts = Json::array();
  for (RingLine& line : tail) {
    if (line.source != LogSource::vibed) texts.push_back(std::move(line.text));
  }
  return http::json_response(200, text_of({{"lines", std::move(texts)}}));
}

http::Response Control::follow_logs(int lines) {
  return line_stream([this, lines](http::ResponseWriter& out) {
    std::uint64_t from = ring_.cursor(lines);
    // Not until the server stops, which it may before this thread is woken: until the board is
    // closed and the last lines are told. A client that is gone shows in write().
    for (;;) {
      bool last = board_.closed();  // before reading: what came before the end is still told
      LogRing::Batch batch = ring_.read(from);
      std::string text;
      for (const RingLine& line : batch.lines) text += log_line(line);
      if (!text.empty() && !out.write(text)) return;
      from = batch.next;
      if (last) return;
      if (text.empty() && !ring_.wait(from, kKeepAlive) && !out.write("\n")) return;
    }
  });
}

http::Response Control::stop(const http::Request& request) {
  if (request.method != "POST") return error_answer(405, "use POST");
  runner_.stop();
  return status();
}

http::Response Control::drain(const http::Request& request) {
  if (request.method != "POST") return error_answer(405, "use POST");
  std::size_t open = relay_ != nullptr ? relay_->drain() : 0;
  return http::json_response(200, text_of({{"connections", open}}));
}

}  // namespace vibed::agent
