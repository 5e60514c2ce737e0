// What the kernel says about this process.
#pragma once

namespace vibed::observe {

struct ProcessStats {
  double resident_bytes = 0;
  double cpu_seconds = 0;
  double threads = 0;
  double open_fds = 0;
};

// Zero where /proc does not tell.
ProcessStats read_process_stats();

}  // namespace vibed::observe
