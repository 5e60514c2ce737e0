#include "agent/pull.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>

#include "http/source_url.hpp"

namespace vibed::agent {

bool may_dial(const sockaddr& address) {
  in6_addr six{};
  std::uint32_t four = 0;
  if (address.sa_family == AF_INET) {
    four = ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr);
  } else if (address.sa_family == AF_INET6) {
    six = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    if (IN6_IS_ADDR_LOOPBACK(&six) || IN6_IS_ADDR_UNSPECIFIED(&six) || IN6_IS_ADDR_LINKLOCAL(&six))
      return false;
    in6_addr metadata{};
    ::inet_pton(AF_INET6, "fd00:ec2::254", &metadata);
    if (std::memcmp(&six, &metadata, sizeof six) == 0) return false;
    if (!IN6_IS_ADDR_V4MAPPED(&six) && !IN6_IS_ADDR_V4COMPAT(&six)) return true;
    std::memcpy(&four, six.s6_addr + 12, 4);
    four = ntohl(four);
  } else {
    return false;
  }
  bool loopback = (four >> 24) == 127;
  bool here = (four >> 24) == 0;
  bool link_local = (four >> 16) == 0xa9fe;
  return !loopback && !here && !link_local;
}

Result<http::Downloaded> pull_source(const std::string& url, http::DownloadOptions options) {
  if (!options.allowed) options.allowed = may_dial;
  auto downloaded = http::download(url, options);
  ::malloc_trim(0);
  if (downloaded || downloaded.error().reason != http::kOutOfReach) return downloaded;
  Error error = std::move(downloaded).error();
  auto parsed = http::parse_source_url(url);
  error.message += fmt::format(
      "; this sandbox cannot reach {}, where its source is: let sandboxes reach it "
      "(networkPolicy.extraEgress of the chart) by a name that they can look up, or have sources "
      "pushed (storage.tarball.delivery: push)",
      parsed ? parsed->host_header() : "it");
  return error;
}

}  // namespace vibed::agent
