#include "fetch/tls_server.hpp"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "support/surroundings.hpp"

namespace vibed::testing {
namespace {

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

std::string pem_of(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  return text_of(bio);
}

std::string pem_of(EVP_PKEY* key) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(bio);
}

X509* certificate_for(EVP_PKEY* key, const std::string& name, long serial) {
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  const auto* bytes = reinterpret_cast<const unsigned char*>(name.c_str());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, bytes, -1, -1,
                             0);
  return certificate;
}

void extend(X509* certificate, int kind, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

std::string common_name(X509* certificate) {
  if (certificate == nullptr) return "";
  char name[256] = {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  X509_free(certificate);
  return name;
}

}  // namespace

Authority::Authority() : key_(EVP_EC_gen("P-256")), self_(certificate_for(key_, "test-ca", 1)) {
  extend(self_, NID_basic_constraints, "critical,CA:TRUE");
  X509_set_issuer_name(self_, X509_get_subject_name(self_));
  X509_sign(self_, key_, EVP_sha256());
  certificate_ = pem_of(self_);
}

Authority::~Authority() {
  X509_free(self_);
  EVP_PKEY_free(key_);
}

KeyPair Authority::issue(const std::string& name) const {
  static std::atomic<long> serial = 2;
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = certificate_for(key, name, serial++);
  extend(certificate, NID_subject_alt_name, "IP:127.0.0.1,DNS:" + name);
  X509_set_issuer_name(certificate, X509_get_subject_name(self_));
  X509_sign(certificate, key_, EVP_sha256());
  KeyPair pair{pem_of(certificate), pem_of(key)};
  X509_free(certificate);
  EVP_PKEY_free(key);
  return pair;
}

TlsServer::TlsServer(const Authority& authority, const std::string& name, bool needs_client)
    : context_(SSL_CTX_new(TLS_server_method())) {
  const KeyPair pair = authority.issue(name);
  const auto read = [](const std::string& text) {
    return BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
  };
  BIO* bio = read(pair.certificate);
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  SSL_CTX_use_certificate(context_, certificate);
  X509_free(certificate);
  BIO_free(bio);
  bio = read(pair.key);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  SSL_CTX_use_PrivateKey(context_, key);
  EVP_PKEY_free(key);
  BIO_free(bio);
  bio = read(authority.certificate());
  X509* trusted = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), trusted);
  X509_free(trusted);
  BIO_free(bio);
  const int must = needs_client ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | must, nullptr);
  SSL_CTX_set_session_id_context(context_, reinterpret_cast<const unsigned char*>("t"), 1);

  Bound bound = bind_to_loopback();
  port_ = bound.port;
  listener_ = bound.fd.release();
  if (::listen(listener_, 16) != 0) std::abort();
  acceptor_ = std::thread([this] { accept_all(); });
}

TlsServer::~TlsServer() {
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  for (auto& thread : threads_) thread.join();
  ::close(listener_);
  SSL_CTX_free(context_);
}

void TlsServer::accept_all() {
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const std::lock_guard lock(mutex_);
    open_.insert(fd);
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

void TlsServer::serve(int fd) {
  // OpenSSL writes to connections that are gone already.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  SSL* ssl = SSL_new(context_);
  SSL_set_fd(ssl, fd);
  if (SSL_accept(ssl) == 1) {
    ++connections_;
    std::string head;
    char bytes[4096];
    for (int got = 0; (got = SSL_read(ssl, bytes, sizeof bytes)) > 0;) {
      head.append(bytes, static_cast<std::size_t>(got));
      if (!head.ends_with("\r\n\r\n")) continue;
      const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
      const std::size_t host = head.find("Host: ") + 6;
      const std::string body = std::string(asked == nullptr ? "" : asked) + "|" +
                               common_name(SSL_get1_peer_certificate(ssl)) + "|" +
                               head.substr(host, head.find('\r', host) - host);
      const std::string answer =
          "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
      SSL_write(ssl, answer.data(), static_cast<int>(answer.size()));
      head.clear();
    }
  }
  SSL_free(ssl);
  const std::lock_guard lock(mutex_);
  open_.erase(fd);
  ::close(fd);
}

}  // namespace vibed::testing
