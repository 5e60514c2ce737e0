#include "route/caddy_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>

#include "base/fd.hpp"
#include "base/files.hpp"
#include "process/spawn.hpp"

namespace vibed::route {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kStateLimit = 64 * 1024;
constexpr std::size_t kOutputShown = 2000;
constexpr milliseconds kStartTimeout{20'000};
constexpr milliseconds kAdoptTimeout{5'000};
constexpr milliseconds kStopTimeout{4'000};  // longer than the grace period of the document
constexpr milliseconds kKillTimeout{2'000};
constexpr milliseconds kReadyPoll{5};

// The last lines it printed before it ended, as one line.
std::string last_words(const CaddyFiles& files) {
  auto text = read_file(files.output(), 1024 * 1024);
  if (!text) return "no output";
  std::string words =
      text->size() > kOutputShown ? text->substr(text->size() - kOutputShown) : std::move(*text);
  while (!words.empty() && words.back() == '\n') words.pop_back();
  if (const auto at = words.rfind("Error: "); at != std::string::npos) words.erase(0, at + 7);
  for (char& c : words) c = c == '\n' ? ' ' : c;
  return words;
}

// Returns when the admin API answers, which it does only after the configuration was loaded.
Status wait_until_ready(RunningCaddy& caddy, const CaddyStart& start) {
  const CaddyFiles& files = start.files;
  const CaddyAdmin admin(files.admin_socket());
  const auto deadline = steady_clock::now() + kStartTimeout;
  for (;;) {
    if (caddy.ended(kReadyPoll)) {
      return Error{Errc::unavailable, "caddy ended at once: " + last_words(files)};
    }
    if (::access(files.admin_socket().c_str(), F_OK) == 0) {
      auto config = admin.config(kAdoptTimeout, start.stop);
      if (config && !config->is_null()) return success();
    }
    if (start.stop.stop_requested()) return Error{Errc::cancelled, "stopped"};
    if (steady_clock::now() > deadline) {
      return Error{Errc::deadline_exceeded, "caddy did not answer: " + last_words(files)};
    }
  }
}

void end_process(RunningCaddy& caddy) {
  static_cast<void>(caddy.process.signal(SIGTERM));
  if (caddy.ended(kStopTimeout)) return;
  static_cast<void>(caddy.process.signal(SIGKILL));
  caddy.ended(kKillTimeout);
}

// A process in a session of its own, so that Ctrl-C in the terminal is not for it.
Result<RunningCaddy> spawn_caddy(const CaddyStart& start) {
  const CaddyFiles& files = start.files;
  const Fd output(
      ::open(files.output().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
  if (!output) return errno_error("open " + files.output());
  SpawnOptions options;
  options.argv = {start.program.path, "run", "--config", files.config()};
  options.env = {"HOME=" + files.home(), "XDG_DATA_HOME=" + files.home() + "/data",
                 "XDG_CONFIG_HOME=" + files.home() + "/config",
                 "PATH=/usr/local/bin:/usr/bin:/bin"};
  options.cwd = "/";
  options.stdout_fd = output.get();
  options.stderr_fd = output.get();
  options.new_session = true;
  auto process = spawn(options);
  if (!process) return std::move(process).error();
  // Until it is reaped its pid is no other process's.
  auto start_time = process_start_time(process->pid());
  CaddyState state{process->pid(), start_time ? *start_time : 0, start.program.path,
                   start.program.version, start.listen};
  return RunningCaddy{std::move(*process), std::move(state), true};
}

}  // namespace

std::string to_json(const CaddyState& state) {
  return json{{"pid", state.pid},
              {"start_time", state.start_time},
              {"program", state.program},
              {"version", to_string(state.version)},
              {"listen", state.listen}}
      .dump();
}

std::optional<CaddyState> caddy_state_from_json(const std::string& text) {
  const json value = json::parse(text, nullptr, false);
  if (!value.is_object()) return std::nullopt;
  try {
    return CaddyState{value.at("pid").get<int>(), value.at("start_time").get<std::uint64_t>(),
                      value.at("program").get<std::string>(),
                      parse_caddy_version(value.at("version").get<std::string>()),
                      value.at("listen").get<std::string>()};
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

Status remember_caddy(const CaddyState& state, const CaddyFiles& files) {
  return write_file(files.state(), to_json(state), Durability::unsynced, 0600);
}

Result<RunningCaddy> start_caddy(const CaddyStart& start) {
  const CaddyFiles& files = start.files;
  if (auto made = make_directories(files.home(), 0700); !made) return made.error();
  // A socket file left by a killed Caddy keeps the next one from listening.
  ::unlink(files.admin_socket().c_str());
  if (auto written = write_file(files.config(), start.document.dump(), Durability::unsynced, 0600);
      !written) {
    return written.error();
  }
  auto caddy = spawn_caddy(start);
  if (!caddy) return std::move(caddy).error().during("start caddy");
  // The state first: a vibed that is killed from here on leaves a Caddy that can be found.
  auto written = remember_caddy(caddy->state, files);
  Status ready = written ? wait_until_ready(*caddy, start) : written;
  if (!ready) {
    end_process(*caddy);
    return ready.error();
  }
  return caddy;
}

bool RunningCaddy::ended(std::chrono::milliseconds timeout) {
  if (!process.wait_exit(timeout)) return false;
  if (ours) static_cast<void>(process.reap());
  ours = false;
  return true;
}

std::optional<RunningCaddy> adopt_caddy(const CaddyFiles& files) {
  auto text = read_file(files.state(), kStateLimit);
  if (!text) return std::nullopt;
  auto state = caddy_state_from_json(*text);
  if (!state) return std::nullopt;
  auto process = open_process(state->pid, state->start_time);
  if (!process || process->wait_exit(milliseconds(0))) return std::nullopt;
  RunningCaddy caddy{std::move(*process), std::move(*state)};
  if (CaddyAdmin(files.admin_socket()).config(kAdoptTimeout)) return caddy;
  stop_caddy(caddy, files);
  return std::nullopt;
}

void stop_caddy(RunningCaddy& caddy, const CaddyFiles& files) {
  end_process(caddy);
  ::unlink(files.state().c_str());
  ::unlink(files.admin_socket().c_str());
}

}  // namespace vibed::route
