// Who may call the API. From a browser: only pages of the API itself. Deployed apps live on
// *.localhost in the same browser and must not be able to drive it.
#pragma once

#include <string>
#include <vector>

#include "auth/authenticator.hpp"
#include "http/message.hpp"
#include "vibed/result.hpp"

namespace vibed::api {

// Fails with foreign_host unless
// - Host is 127.0.0.1, localhost or [::1] with the port the request came in at, or one of `hosts`:
//   a name of somebody else's that resolves here (DNS rebinding) is not;
// - Origin, if there is one, is that very host. "null" is not;
// - Sec-Fetch-Site, if there is one, is same-origin or none; cross-site and same-site pages may
//   only link here (a GET navigation). This holds even where a browser sends no Origin.
// Over a unix socket any Host will do: browsers do not get there.
// With `any_host` the first need not hold.
Status check_host(const http::Request& request, const std::vector<std::string>& hosts,
                  bool any_host);

// Who sent the request. `unauthenticated`.
Result<Caller> caller_of(const auth::Authenticator& authenticator, const http::Request& request);

// Fails with `unauthenticated` for the paths that only callers may see: below /v1/, /api/ and
// /mcp. Not below /internal/sources/, where a key gives the right: agents have no other.
Status check_caller(const auth::Authenticator& authenticator, const http::Request& request);

}  // namespace vibed::api
