// The client's side of TLS. Seen by the downloads only.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <string>

#include "vibed/result.hpp"

namespace vibed::http {

using TlsStream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>;

// TLS 1.2 or newer, with a server that somebody in the PEM file `authorities` vouches for; empty:
// the system's file. Reads it whole, which takes a few milliseconds and a megabyte or two until
// the context is gone. No configuration file of OpenSSL's has a say.
Result<boost::asio::ssl::context> make_tls_context(const std::string& authorities);

// Asks for `host` (a name or an address) and insists that the certificate is its.
Status expect_host(TlsStream& stream, const std::string& host);

// Why the handshake with `host` failed. `unavailable` when the connection just broke.
Error handshake_error(TlsStream& stream, const boost::system::error_code& failed,
                      const std::string& host);

}  // namespace vibed::http
