// OpenSSL itself is the room of base; what is called here comes with Asio's headers.
#include "http/tls.hpp"

#include <unistd.h>

#include <array>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>
// Asio's TLS itself, compiled here and only here (BOOST_ASIO_SEPARATE_COMPILATION).
#include <boost/asio/ssl/impl/src.hpp>

namespace vibed::http {
namespace {

namespace ssl = boost::asio::ssl;
using ErrorFlag = boost::system::error_code;

// Debian, Fedora and its relatives, Alpine.
constexpr std::array kBundles = {"/etc/ssl/certs/ca-certificates.crt",
                                 "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};

std::string bundle_of_system() {
  for (const char* path : kBundles) {
    if (::access(path, R_OK) == 0) return path;
  }
  return "";
}

Error failed(const std::string& what, const ErrorFlag& error) {
  return {Errc::invalid_argument, "fetch source: " + what + ": " + error.message()};
}

}  // namespace

Result<ssl::context> make_tls_context(const std::string& authorities) {
  ::OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  std::string bundle = authorities.empty() ? bundle_of_system() : authorities;
  if (bundle.empty())
    return Error{Errc::invalid_argument,
                 "fetch source: https needs a file of trusted certificates, and this machine has "
                 "none (ca-certificates); SSL_CERT_FILE can name one"};
  ErrorFlag error;
  try {
    ssl::context context(ssl::context::tls_client);
    ::SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
    context.set_verify_mode(ssl::verify_peer, error);
    if (!error) context.load_verify_file(bundle, error);
    if (error) return failed("read the trusted certificates in " + bundle, error);
    return context;
  } catch (const boost::system::system_error& e) {
    return failed("set up TLS", e.code());
  }
}

Status expect_host(TlsStream& stream, const std::string& host) {
  SSL* handle = stream.native_handle();
  ErrorFlag not_an_address;
  boost::asio::ip::make_address(host, not_an_address);
  int done = 0;
  if (not_an_address) {
    done = SSL_set_tlsext_host_name(handle, host.c_str()) == 1
               ? ::SSL_set1_host(handle, host.c_str())
               : 0;
  } else {
    done = ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(handle), host.c_str());
  }
  if (done != 1) return Error{Errc::invalid_argument, "source url has a malformed host or port"};
  return success();
}

Error handshake_error(TlsStream& stream, const ErrorFlag& failed, const std::string& host) {
  long verdict = ::SSL_get_verify_result(stream.native_handle());
  if (verdict != X509_V_OK)
    return {Errc::invalid_argument, "fetch source: the certificate of " + host + " is not valid: " +
                                        ::X509_verify_cert_error_string(verdict)};
  bool broken = failed.category() != boost::asio::error::get_ssl_category();
  return {broken ? Errc::unavailable : Errc::invalid_argument,
          "fetch source: TLS with " + host + ": " + failed.message()};
}

}  // namespace vibed::http
