// TlsServer speaks TLS with certificates of its own authority, and tells who the client was.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace vibed::testing {

struct KeyPair {
  std::string certificate;  // PEM
  std::string key;
};

// An authority that lives as long as the test.
class Authority {
 public:
  Authority();
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  const std::string& certificate() const { return certificate_; }
  // For the common name `name`; as a server also for the address 127.0.0.1 and that DNS name.
  KeyPair issue(const std::string& name) const;

 private:
  EVP_PKEY* key_;
  X509* self_;
  std::string certificate_;
};

// Answers each request with "<server name asked for>|<common name of the client>|<Host>", one
// connection at a time. A client needs a certificate of `authority` if `needs_client`.
class TlsServer {
 public:
  TlsServer(const Authority& authority, const std::string& name, bool needs_client);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  std::string url() const { return "https://127.0.0.1:" + std::to_string(port_) + "/"; }
  int port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void accept_all();
  void serve(int fd);

  SSL_CTX* context_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_ = 0;
  std::mutex mutex_;
  std::set<int> open_;                // guarded by mutex_
  std::vector<std::thread> threads_;  // of accept_all() alone
  std::thread acceptor_;
};

}  // namespace vibed::testing
