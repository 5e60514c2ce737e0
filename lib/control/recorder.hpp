// Recorder writes what happens to objects into the cluster's events, beside the work and never in
// its way.
#pragma once

#include <memory>
#include <string>

#include "control/event_log.hpp"
#include "kube/client.hpp"

namespace vibed::control {

// Any thread.
class Recorder {
 public:
  // `client` outlives it. Who reports: "vibed.dev/controller", and the name of its pod.
  static std::unique_ptr<Recorder> start(kube::Client& client, std::string controller,
                                         std::string instance);

  // Writes what is waiting, for at most two seconds.
  virtual ~Recorder() = default;

  // Returns at once. An event is lost when a thousand wait already, or when it cannot be written.
  virtual void record(const Json& object, Happening happening) = 0;
};

}  // namespace vibed::control
