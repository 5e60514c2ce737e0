#include "agent/agent.hpp"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "agent/control.hpp"
#include "agent/link_tree.hpp"
#include "base/files.hpp"
#include "base/log.hpp"

namespace vibed::agent {
namespace {

// A pooled agent waits for hours. One arena and early returns to the kernel keep it small.
void keep_memory_low() {
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TRIM_THRESHOLD, 64 * 1024);
  ::mallopt(M_TOP_PAD, 16 * 1024);
  ::mallopt(M_MMAP_THRESHOLD, 64 * 1024);
}

// The code that only starting up needs goes back to the page cache, where all agents share it. What
// is needed again is mapped again without reading the disk.
void give_back_code() {
  auto drop = [](dl_phdr_info* info, std::size_t, void*) {
    for (int i = 0; i < info->dlpi_phnum; ++i) {
      const auto& part = info->dlpi_phdr[i];
      if (part.p_type != PT_LOAD || (part.p_flags & PF_W) != 0) continue;
      std::uintptr_t page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
      std::uintptr_t begin = (info->dlpi_addr + part.p_vaddr) / page * page;
      std::uintptr_t end = info->dlpi_addr + part.p_vaddr + part.p_memsz;
      ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
    return 1;  // the program itself comes first; libraries are left alone
  };
  ::dl_iterate_phdr(drop, nullptr);
}

// ":9000" means every address, IPv6 too where there is one.
Result<Fd> listen_on(const std::string& address) {
  std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return Error{Errc::invalid_argument, "no port in " + address};
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  int port = std::atoi(address.c_str() + colon + 1);
  Error last{Errc::internal, "nothing tried"};
  for (const std::string& one :
       host.empty() ? std::vector<std::string>{"::", "0.0.0.0"} : std::vector<std::string>{host}) {
    auto target = relay_target(one, port);
    if (!target) return std::move(target).error();
    Fd fd(::socket(target->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int yes = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const auto* raw = reinterpret_cast<const sockaddr*>(&target->address);
    if (fd && ::bind(fd.get(), raw, target->address_size) == 0 && ::listen(fd.get(), 1024) == 0)
      return fd;
    last = errno_error("listen on " + address);
  }
  return last;
}

Result<Fd> inherited(int number) {
  if (::fcntl(number, F_SETFD, FD_CLOEXEC) != 0)
    return errno_error("use descriptor " + std::to_string(number));
  return Fd(number);
}

Result<std::unique_ptr<Relay>> open_relay(const AgentConfig& config, AppRunner& runner) {
  if (config.relay_fd < 0 && config.relay_address.empty()) return std::unique_ptr<Relay>();
  auto fd = config.relay_fd >= 0 ? inherited(config.relay_fd) : listen_on(config.relay_address);
  if (!fd) return std::move(fd).error();
  // Four descriptors for a connection with something on its way; a hundred for the rest.
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  std::size_t most = std::clamp<rlim_t>(files.rlim_cur, 140, 32'868) / 4 - 25;
  return start_relay(*std::move(fd), {.max_connections = most,
                                      .on_refused = [&runner] { runner.check_listeners(); }});
}

void make_link_trees(const AgentConfig& config) {
  for (const auto& [from, to] : config.link_trees) {
    auto done = link_tree(from, to);
    if (!done) log::warn("link tree", {{"from", from}, {"error", done.error().message}});
  }
}

// Everything between start and end, once the configuration is known.
Status serve(const AgentConfig& config) {
  Board board;
  LogRing ring(config.log_lines);
  AppRunner runner(config, board, ring);
  Status opened = runner.open();
  if (!opened) return opened;
  // From here on nobody of the same uid may look into this process: it knows the token.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  Status made = make_directories(config.workdir);
  if (!made) return made;
  make_link_trees(config);
  auto relay = open_relay(config, runner);
  if (!relay) return std::move(relay).error();
  runner.use_relay(relay->get());

  Control control(config, runner, board, ring);
  control.use_relay(relay->get());
  auto socket =
      config.control_fd >= 0 ? inherited(config.control_fd) : listen_on(config.control_address);
  if (!socket) return std::move(socket).error();
  http::ServerOptions options;
  options.spool_directory = config.spool_directory;
  options.max_connections = 64;
  options.max_workers = 48;
  options.guard = [&control](const http::Request& request) { return control.refuse(request); };
  auto server = http::start_server("fd:" + std::to_string(socket->release()), control.router(),
                                   std::move(options));
  if (!server) return std::move(server).error();
  ::malloc_trim(0);
  give_back_code();

  runner.run();
  board.close();
  ring.close();
  (*server)->stop();
  return success();
}

}  // namespace

int run_agent(const Environment& environment) {
  keep_memory_low();
  log::configure(log::Level::info, log::Format::json);
  auto config = agent_config(environment);
  Status served = config ? serve(*config) : Status(std::move(config).error());
  if (served) return 0;
  log::error("vibed-agent", {{"error", served.error().message}});
  return 1;
}

}  // namespace vibed::agent
