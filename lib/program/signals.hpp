// The signals of a program that serves.
#pragma once

namespace vibed::program {

// Blocks the signals that ask to stop, so that wait_for_stop() is their only receiver, and ignores
// SIGPIPE. Before the first thread.
void block_stop_signals();

}  // namespace vibed::program
