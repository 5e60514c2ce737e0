// pull: fetches a source archive by its URL, as contract v1's source_url asks for.
#pragma once

#include <string>

#include "http/download.hpp"

namespace vibed::agent {

// Whether a source may be fetched from there: not from this machine or its metadata service.
// Private networks are allowed: a cluster's blob store is in one.
bool may_dial(const sockaddr& address);

// http::download() that asks may_dial(), unless `options` has another rule. What TLS needed is
// given back to the kernel before this returns. The error of a place that this sandbox cannot reach
// says what its operator can do.
Result<http::Downloaded> pull_source(const std::string& url, http::DownloadOptions options);

}  // namespace vibed::agent
