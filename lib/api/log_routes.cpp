// GET /v1/apps/{app_id}/logs: the last lines, or all there will be, as server-sent events.
#include "api/routes.hpp"
#include "base/error_codes.hpp"
#include "http/sse.hpp"

namespace vibed::api {
namespace {

using Clock = std::chrono::steady_clock;

// A client that hangs up is noticed at the latest after this.
constexpr std::chrono::milliseconds kLook(500);

// Counts an open stream for as long as it lives.
class OpenStream {
 public:
  explicit OpenStream(observe::Metrics& metrics) : metrics_(metrics) { metrics_.stream_opened(); }
  ~OpenStream() { metrics_.stream_closed(); }
  OpenStream(const OpenStream&) = delete;
  OpenStream& operator=(const OpenStream&) = delete;

 private:
  observe::Metrics& metrics_;
};

void send_lines(LogStream& lines, http::ResponseWriter& writer, std::stop_token stop,
                std::chrono::milliseconds heartbeat) {
  auto last = Clock::now();
  while (!writer.closed()) {
    auto line = lines.next(stop, Clock::now() + std::min(kLook, heartbeat));
    if (line && !*line) return;
    if (!line && line.error().code == Errc::cancelled) return;
    if (!line && line.error().code != Errc::deadline_exceeded) {
      writer.write(http::sse_event(line.error().message, "error"));
      return;
    }
    if (!line && Clock::now() - last < heartbeat) continue;
    last = Clock::now();
    if (!writer.write(line ? http::sse_event((**line).text) : http::sse_comment("heartbeat"))) {
      return;
    }
  }
}

http::Response event_stream() {
  http::Response response;
  response.headers.set("Content-Type", "text/event-stream");
  response.headers.set("Cache-Control", "no-cache");
  response.headers.set("X-Accel-Buffering", "no");
  return response;
}

// An app that is there but has no sandbox is no 404: the stream says so and ends.
http::Response refuse(const Context& context, const Caller& caller, const std::string& name,
                      const Error& error) {
  if (error.code == Errc::not_found && context.service.get(caller, name)) {
    auto response = event_stream();
    response.body = http::sse_event(error.message, "error");
    return response;
  }
  auto response = http::error_response(error);
  if (response.status == 429) response.headers.set("Retry-After", "5");
  return response;
}

http::Response logs(const SharedContext& context, http::Request& request) {
  const std::string& name = request.parameters["app_id"];
  LogRequest wanted;
  wanted.follow = request.query["follow"] == "true";
  Caller caller = caller_of(*context, request);
  auto opened = context->service.logs(caller, name, wanted);
  if (!opened) return refuse(*context, caller, name, opened.error());
  http::Response response = event_stream();
  // Shared, because a std::function must be copyable.
  std::shared_ptr<LogStream> lines = *std::move(opened);
  response.stream = [context, lines, stop = request.stop](http::ResponseWriter& writer) {
    OpenStream open(context->metrics);
    send_lines(*lines, writer, stop, context->options.log_heartbeat);
  };
  return response;
}

}  // namespace

void add_log_routes(http::Router& router, const SharedContext& context) {
  router.add("GET", "/v1/apps/{app_id}/logs",
             [context](http::Request& request) { return logs(context, request); });
}

}  // namespace vibed::api
