#include "kube/clock.hpp"

namespace vibed::kube {

using std::chrono::seconds;

seconds clock_offset(std::chrono::system_clock::time_point date,
                     std::chrono::system_clock::time_point sent,
                     std::chrono::system_clock::time_point received) {
  if (date > received) return std::chrono::ceil<seconds>(date - received);
  if (date + seconds(1) < sent) return std::chrono::floor<seconds>(date + seconds(1) - sent);
  return seconds(0);
}

}  // namespace vibed::kube
