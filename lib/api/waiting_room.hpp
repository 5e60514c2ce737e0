// The waiting room: what a visitor gets where no app answers.
#pragma once

#include <chrono>

#include "http/router.hpp"
#include "service/service.hpp"

namespace vibed::api {

struct WaitingRoomOptions {
  std::chrono::seconds retry_starting{1};    // Retry-After, and the page's own refresh
  std::chrono::seconds retry_suspended{60};  // Retry-After
};

// Any method and path, for Caddy's error route: the app is named by the first label of Host, which
// is checked here. 404 no such app, 503 starting, restarting or suspended, 502 failed; a page for
// browsers, {"code","message","phase","reason"} for everybody else.
//
// An edge that found nobody at the stable upstream of an app sets X-Vibed-Find-Upstream: of an app
// that is Ready, X-Vibed-Upstream then says where its sandbox is, host:port. In a cluster the
// record is there before every node knows the pod of its Service.
//
// Reason and the first line of the message are shown to whoever asks: there is no login that could
// tell the owner from a visitor, and the owner looking at a blank page is the common case. The
// lines of the app's log behind it are not: they may hold what the app meant for nobody.
http::Router make_waiting_room(Service& service, const WaitingRoomOptions& options = {});

}  // namespace vibed::api
