// What an informer does next, after what it has just done came to its end. Pure.
#pragma once

#include <chrono>

namespace vibed::control {

using Milliseconds = std::chrono::milliseconds;

// How a list or a watch ended.
enum class Ended {
  listed,       // a list: everything is known
  timed_out,    // a watch: its time was up, as agreed
  short_lived,  // a watch: at once, without an error and without an event
  expired,      // the history after our version is gone (410)
  torn,         // events came that cannot be, or in an order that cannot be
  busy,         // too many requests (429)
  failed,       // no answer, an answer of 5xx, a stream that broke
  refused       // not allowed, not served, not understood: time may cure it, haste will not
};

struct Outcome {
  Ended ended = Ended::failed;
  bool progress = false;        // of a watch: an event or bookmark had come
  Milliseconds retry_after{0};  // what the server asked for; 0: nothing
};

struct Next {
  enum class Do { list, watch };
  Do what = Do::list;
  Milliseconds wait{0};  // before
  friend bool operator==(const Next&, const Next&) = default;
};

// Between the steps. A value: a test can be in any state.
struct ReflectState {
  bool listed = false;  // a version to watch from is known
  int failures = 0;     // in a row
  friend bool operator==(const ReflectState&, const ReflectState&) = default;
};

// `random` is from 0 to 1.
Next next_step(ReflectState& state, const Outcome& outcome, double random);

// How long the next watch may last: 5 to 10 minutes, so that not all watches end together.
std::chrono::seconds watch_timeout(double random);

}  // namespace vibed::control
