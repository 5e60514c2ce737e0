#include "answers.hpp"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cstdio>

#include "support/surroundings.hpp"

namespace vibed::testing {
namespace {

constexpr long kHour = 3600;

void add_extension(X509* x509, int kind, const std::string& value) {
  X509_EXTENSION* extension = ::X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  ASSERT_NE(extension, nullptr) << value;
  ::X509_add_ext(x509, extension, -1);
  ::X509_EXTENSION_free(extension);
}

Authority::Certificate blank(const std::string& name, long serial, long begins) {
  std::shared_ptr<X509> x509(::X509_new(), ::X509_free);
  std::shared_ptr<EVP_PKEY> key(EVP_EC_gen("P-256"), ::EVP_PKEY_free);
  ::X509_set_version(x509.get(), 2);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(x509.get()), serial);
  ::X509_gmtime_adj(X509_getm_notBefore(x509.get()), begins);
  ::X509_gmtime_adj(X509_getm_notAfter(x509.get()), begins + kHour);
  ::X509_NAME_add_entry_by_txt(::X509_get_subject_name(x509.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  ::X509_set_pubkey(x509.get(), key.get());
  return {x509, key};
}

// Reads with `read` (as recv) up to the end of a request's head.
template <class Read>
std::string read_head(Read read) {
  std::string head;
  char byte = 0;
  while (!head.ends_with("\r\n\r\n") && read(&byte) == 1) head += byte;
  return head;
}

}  // namespace

Authority::Authority() : own_(blank("authority " + scratch_.path(), 1, -60)) {
  ::X509_set_issuer_name(own_.x509.get(), ::X509_get_subject_name(own_.x509.get()));
  add_extension(own_.x509.get(), NID_basic_constraints, "critical,CA:TRUE");
  ::X509_sign(own_.x509.get(), own_.key.get(), ::EVP_sha256());
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(file().c_str(), "w"), std::fclose);
  EXPECT_EQ(::PEM_write_X509(out.get(), own_.x509.get()), 1);
}

Authority::Certificate Authority::issue(const std::string& names, long begins) const {
  Certificate made = blank("a server of a test", 2, begins);
  ::X509_set_issuer_name(made.x509.get(), ::X509_get_subject_name(own_.x509.get()));
  add_extension(made.x509.get(), NID_subject_alt_name, names);
  ::X509_sign(made.x509.get(), own_.key.get(), ::EVP_sha256());
  return made;
}

Answers::Answers(std::vector<Answer> answers, const Authority::Certificate* certificate,
                 int newest_tls)
    : answers_(answers.begin(), answers.end()) {
  if (certificate != nullptr) {
    context_ = std::shared_ptr<SSL_CTX>(::SSL_CTX_new(::TLS_server_method()), ::SSL_CTX_free);
    ::SSL_CTX_use_certificate(context_.get(), certificate->x509.get());
    ::SSL_CTX_use_PrivateKey(context_.get(), certificate->key.get());
    SSL_CTX_set_tlsext_servername_callback(context_.get(), on_name);
    SSL_CTX_set_tlsext_servername_arg(context_.get(), this);
    SSL_CTX_set_max_proto_version(context_.get(), newest_tls);
    if (newest_tls < TLS1_2_VERSION) {
      SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
      ::SSL_CTX_set_cipher_list(context_.get(), "ALL@SECLEVEL=0");
    }
  }
  Bound bound = bind_to_loopback();
  port_ = bound.port;
  listener_ = std::move(bound.fd);
  EXPECT_EQ(::listen(listener_.get(), 8), 0);
  thread_ = std::thread([this] { serve(); });
}

Answers::~Answers() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  thread_.join();
}

std::string Answers::url(const std::string& path, const std::string& host) const {
  return (context_ ? "https://" : "http://") + host + ":" + port() + path;
}

std::vector<std::string> Answers::heads() const {
  std::lock_guard lock(mutex_);
  return heads_;
}

std::vector<std::string> Answers::names() const {
  std::lock_guard lock(mutex_);
  return names_;
}

// Before the client learns anything, so that what it did is seen here already.
int Answers::on_name(SSL* tls, int*, void* self) {
  const char* name = ::SSL_get_servername(tls, TLSEXT_NAMETYPE_host_name);
  auto* server = static_cast<Answers*>(self);
  std::lock_guard lock(server->mutex_);
  server->names_.emplace_back(name != nullptr ? name : "");
  return SSL_TLSEXT_ERR_OK;
}

// When all are given, the listener is closed: nobody answers any more.
void Answers::serve() {
  for (; !answers_.empty(); answers_.pop_front()) {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) return;
    if (context_) {
      answer_tls(fd.get(), answers_.front());
    } else {
      answer_plain(fd.get(), answers_.front());
    }
  }
  ::shutdown(listener_.get(), SHUT_RDWR);
}

void Answers::answer_plain(int fd, const Answer& answer) {
  auto read = [fd](char* byte) { return ::recv(fd, byte, 1, 0); };
  if (answer.listens) {
    std::string head = read_head(read);
    std::lock_guard lock(mutex_);
    heads_.push_back(head);
  }
  ::send(fd, answer.bytes.data(), answer.bytes.size(), MSG_NOSIGNAL);
  char byte = 0;
  while (answer.waits && read(&byte) > 0) {
  }
}

void Answers::answer_tls(int fd, const Answer& answer) {
  std::unique_ptr<SSL, void (*)(SSL*)> tls(::SSL_new(context_.get()), ::SSL_free);
  ::SSL_set_fd(tls.get(), fd);
  if (::SSL_accept(tls.get()) != 1) return;
  auto read = [&](char* byte) { return ::SSL_read(tls.get(), byte, 1); };
  std::string head = read_head(read);
  {
    std::lock_guard lock(mutex_);
    heads_.push_back(head);
  }
  ::SSL_write(tls.get(), answer.bytes.data(), static_cast<int>(answer.bytes.size()));
  char byte = 0;
  while (answer.waits && read(&byte) > 0) {
  }
  if (answer.closes_properly) ::SSL_shutdown(tls.get());
}

}  // namespace vibed::testing
