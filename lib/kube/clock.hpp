// What the time is where objects get their timestamps. Pure.
#pragma once

#include <chrono>

namespace vibed::kube {

// How far a clock is ahead of ours that said `date`, in whole seconds cut off, some time between
// `sent` and `received`; 0 if the two may be the same.
std::chrono::seconds clock_offset(std::chrono::system_clock::time_point date,
                                  std::chrono::system_clock::time_point sent,
                                  std::chrono::system_clock::time_point received);

}  // namespace vibed::kube
