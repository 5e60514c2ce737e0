// What is asked of a Caddy that gets its certificate by itself: whether it has one, and else why
// not. Pure.
#pragma once

#include <string>
#include <string_view>

#include "route/caddy_document.hpp"

namespace vibed::route {

// Where Caddy writes what went wrong with certificates, so that who looks after it can say it too.
std::string certificate_log(const std::string& run);

// Why there is no certificate, as the newest line of that log with an error in it says; "" when
// none does. `text`: the end of the log, whose first and last lines may be torn.
std::string certificate_trouble(std::string_view text);

// How Caddy is asked for a certificate from its own machine: connect to `url`, asking for `name`.
// The URL's host is none of the domain, so no app sees the request.
struct CertificateQuestion {
  std::string url;
  std::string name;
};
CertificateQuestion certificate_question(const FrontDoorPlan& plan);

}  // namespace vibed::route
