// Answers: a server whose every answer a test has prepared, byte for byte, plain or with TLS.
#pragma once

#include <openssl/ssl.h>

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.hpp"
#include "support/temp_dir.hpp"

namespace vibed::testing {

// An authority that nobody knows, and certificates of its.
class Authority {
 public:
  Authority();

  struct Certificate {
    std::shared_ptr<X509> x509;
    std::shared_ptr<EVP_PKEY> key;
  };
  // `names` as in subjectAltName: "DNS:localhost,IP:127.0.0.1". Valid for an hour from `begins`
  // seconds from now on.
  Certificate issue(const std::string& names, long begins = -60) const;

  std::string file() const { return scratch_ / "authority.pem"; }

 private:
  TempDir scratch_;
  Certificate own_;
};

struct Answer {
  std::string bytes;
  bool closes_properly = true;  // TLS: says so before it closes
  bool waits = false;           // afterwards, until the client hangs up
  bool listens = true;          // plain: to the request, before it answers
};

class Answers {
 public:
  // Each connection gets the next answer. Without a certificate it speaks plain HTTP.
  explicit Answers(std::vector<Answer> answers, const Authority::Certificate* certificate = nullptr,
                   int newest_tls = TLS1_3_VERSION);
  ~Answers();

  std::string port() const { return std::to_string(port_); }
  std::string url(const std::string& path, const std::string& host = "localhost") const;
  // The heads of the requests so far, and the server names that were asked for.
  std::vector<std::string> heads() const;
  std::vector<std::string> names() const;

 private:
  static int on_name(SSL* tls, int* alert, void* self);
  void serve();
  void answer_plain(int fd, const Answer& answer);
  void answer_tls(int fd, const Answer& answer);

  std::deque<Answer> answers_;
  std::shared_ptr<SSL_CTX> context_;
  Fd listener_;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> heads_;  // guarded by mutex_
  std::vector<std::string> names_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace vibed::testing
