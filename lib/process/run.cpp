#include "process/run.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

#include "base/files.hpp"

namespace vibed {
namespace {

struct Pipe {
  Fd reader;
  Fd writer;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("make a pipe");
  Pipe pipe{Fd(ends[0]), Fd(ends[1])};
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return pipe;
}

// A memory file, not a pipe: nothing to feed and no SIGPIPE when the program does not read.
Result<Fd> input_file(const std::string& text) {
  Fd fd(::memfd_create("input", MFD_CLOEXEC));
  if (!fd) return errno_error("make a memory file");
  if (Status written = write_all(fd.get(), text, "write input"); !written)
    return std::move(written).error();
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

// Reads what is there now. False at the end of the file.
bool drain(int fd, std::string& text, std::size_t limit, bool& truncated) {
  std::array<char, 16 * 1024> buffer;
  for (;;) {
    ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count == 0) return false;
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    std::size_t room = limit - std::min(limit, text.size());
    text.append(buffer.data(), std::min(room, static_cast<std::size_t>(count)));
    truncated = truncated || static_cast<std::size_t>(count) > room;
    if (static_cast<std::size_t>(count) < buffer.size()) return true;
  }
}

int milliseconds_until(std::chrono::steady_clock::time_point deadline) {
  auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000));
}

// Collects output until the process has ended. False: the deadline came first.
bool collect(const Process& process, Pipe& out, Pipe& err, const RunOptions& options,
             RunOutput& result) {
  auto deadline = std::chrono::steady_clock::now() + options.timeout;
  std::array<pollfd, 3> polled{pollfd{process.fd(), POLLIN, 0}, pollfd{out.reader.get(), POLLIN, 0},
                               pollfd{err.reader.get(), POLLIN, 0}};
  for (;;) {
    int wait = milliseconds_until(deadline);
    if (wait == 0) return false;
    if (::poll(polled.data(), polled.size(), wait) < 0 && errno != EINTR) return false;
    bool ended = polled[0].revents != 0;
    if (polled[1].fd >= 0 && !drain(polled[1].fd, result.out, options.max_output, result.truncated))
      polled[1].fd = -1;
    if (polled[2].fd >= 0 && !drain(polled[2].fd, result.err, options.max_output, result.truncated))
      polled[2].fd = -1;
    if (ended) return true;
  }
}

}  // namespace

Result<RunOutput> run(const std::vector<std::string>& argv, const RunOptions& options) {
  auto out = make_pipe();
  if (!out) return std::move(out).error();
  auto err = make_pipe();
  if (!err) return std::move(err).error();
  auto input = input_file(options.input);
  if (!input) return std::move(input).error();

  SpawnOptions spawning;
  spawning.argv = argv;
  spawning.env = options.env;
  spawning.cwd = options.cwd;
  spawning.stdin_fd = input->get();
  spawning.stdout_fd = out->writer.get();
  spawning.stderr_fd = err->writer.get();
  spawning.new_session = true;
  spawning.identity = options.identity;
  spawning.limits = options.limits;
  auto process = spawn(spawning);
  if (!process) return std::move(process).error();
  out->writer.reset();
  err->writer.reset();

  RunOutput result;
  bool ended = collect(*process, *out, *err, options, result);
  if (!ended) (void)process->signal_group(SIGKILL);
  auto status = process->reap();
  if (!ended) return Error{Errc::deadline_exceeded, argv.front() + " took too long"};
  if (!status) return std::move(status).error();
  result.status = *status;
  return result;
}

}  // namespace vibed
