// What of an app's life becomes an event of the cluster, as `kubectl describe vapp` shows them.
// Pure.
#pragma once

#include <vector>

#include "control/event_log.hpp"
#include "vibed/app.hpp"

namespace vibed {

// What somebody wants to know who sees `after` written over the status of `before`. Steps that
// every deploy takes are none: a deploy that goes well is one event.
std::vector<control::Happening> happenings(const App& before, const AppStatus& after);

// The app as an event names what it is about.
kube::Json event_subject(const App& app);

}  // namespace vibed
