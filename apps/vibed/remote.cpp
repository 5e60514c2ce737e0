#include "remote.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "terminal.hpp"

namespace vibed::cli {
namespace {

constexpr std::size_t kLogLinesShown = 20;
constexpr std::chrono::milliseconds kLook{200};
constexpr std::chrono::minutes kPatience{2};

// The last lines the app itself wrote.
std::vector<std::string> last_lines(Client& client, const std::string& app) {
  std::vector<std::string> lines;
  auto read = client.logs(app, false,
                          [&](std::string_view line) {
                            lines.emplace_back(line);
                            if (lines.size() > kLogLinesShown) lines.erase(lines.begin());
                            return true;
                          },
                          {});
  return read ? lines : std::vector<std::string>();
}

Status tell_failure(const Invocation& invocation, Client& client, const Json& app) {
  const std::string name = text_of(app, "app_id");
  const bool older_serves = text_of(app, "phase") == "Ready";
  std::string reason = why(app);
  // Of a failed app the log says it better than the few lines of it in the message; that of an
  // older version would say nothing.
  const auto lines = older_serves ? std::vector<std::string>() : last_lines(client, name);
  if (!lines.empty()) reason = reason.substr(0, reason.find('\n'));
  fmt::print(stderr, "{} {}\n", coloured(invocation, 2, Colour::red, name + " failed:"), reason);
  for (const auto& line : lines) fmt::print(stderr, "  | {}\n", line);
  if (older_serves) {
    fmt::print(stderr, "The version before it keeps serving at {}\n", text_of(app, "url"));
  }
  return Error{Errc::unavailable, ""};
}

}  // namespace

std::vector<OptionSpec> remote_options(bool json) {
  std::vector<OptionSpec> options = {
      {"--api", "ADDRESS", "where vibed's API is (or VIBED_API); 127.0.0.1:8080"}};
  if (json) options.push_back({"--json", "", "print JSON"});
  return options;
}

std::unique_ptr<Client> connect(const Invocation& invocation) {
  std::string address = invocation.text("api", invocation.variable("VIBED_API"));
  if (address.empty()) address = "127.0.0.1:8080";
  if (address.find("://") == std::string::npos) address = "http://" + address;
  return make_client({.url = address, .token = invocation.variable("VIBED_TOKEN")});
}

Result<Json> call(Client& client, const std::string& method, const std::string& path,
                  const std::string& body) {
  auto answer = client.call(method, path, body, {});
  if (!answer) return std::move(answer).error();
  if (answer->empty()) return Json();
  Json value = Json::parse(*answer, nullptr, false);
  if (value.is_discarded()) return Error{Errc::unavailable, "the answer is not vibed's"};
  return value;
}

std::string app_path(const std::string& app) {
  std::string path = "/v1/apps/";
  for (const char c : app) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-';
    path += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return path;
}

std::string text_of(const Json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : "";
}

std::int64_t number_of(const Json& object, const char* key) {
  if (!object.is_object()) return 0;
  const auto at = object.find(key);
  return at != object.end() && at->is_number_integer() ? at->get<std::int64_t>() : 0;
}

Outcome outcome_of(const Json& app) {
  const std::string phase = text_of(app, "phase");
  const std::int64_t generation = number_of(app, "generation");
  if (phase == "Suspended") return Outcome::suspended;
  const auto progressing = app.find("progressing");
  if (progressing != app.end() && progressing->is_object()) {
    // What is said of an older generation is history.
    const bool current = number_of(*progressing, "generation") >= generation;
    return current && !progressing->value("status", false) ? Outcome::failed : Outcome::underway;
  }
  if (phase == "Failed") return Outcome::failed;
  const bool current = number_of(app, "observed_generation") >= generation;
  return phase == "Ready" && current ? Outcome::serving : Outcome::underway;
}

std::string why(const Json& app) {
  const auto progressing = app.find("progressing");
  const Json& about = progressing != app.end() ? *progressing : app;
  const std::string message = text_of(about, "message");
  return message.empty() ? text_of(about, "reason") : message;
}

Result<Json> settle(Client& client, const std::string& app, Outcome past) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    auto seen = call(client, "GET", app_path(app));
    if (!seen) return seen;
    const Outcome outcome = outcome_of(*seen);
    if (outcome != Outcome::underway && outcome != past) return seen;
    if (std::chrono::steady_clock::now() > until) return seen;
    std::this_thread::sleep_for(kLook);
  }
}

void print_json(const Json& value) {
  fmt::print("{}\n", value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

Status told_as_json(const Invocation& invocation, Status status) {
  if (status || status.error().message.empty() || !invocation.has("json")) return status;
  const Error& error = status.error();
  print_json(
      {{"code", error.reason.empty() ? "failed" : error.reason}, {"message", error.message}});
  return Error{error.code, "", error.reason};
}

Status conclude(const Invocation& invocation, Client& client, const Json& app) {
  const Outcome outcome = outcome_of(app);
  if (invocation.has("json")) {
    print_json(app);
    if (outcome == Outcome::serving || outcome == Outcome::suspended) return success();
    return Error{Errc::unavailable, ""};
  }
  const std::string name = text_of(app, "app_id");
  switch (outcome) {
    case Outcome::serving:
      fmt::print("{}\n", coloured(invocation, 1, Colour::green, text_of(app, "url")));
      return success();
    case Outcome::suspended: fmt::print("{} is suspended\n", name); return success();
    case Outcome::failed: return tell_failure(invocation, client, app);
    case Outcome::underway: break;
  }
  return Error{Errc::deadline_exceeded,
               name + " is not ready yet: " + why(app) + " (vibed ls shows how it goes on)"};
}

}  // namespace vibed::cli
