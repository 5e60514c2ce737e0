// RealApi: etcd and kube-apiserver of the cache (make test-cluster builds them) as processes of
// this test.
#pragma once

#include <memory>
#include <string>

#include "kube/access.hpp"
#include "process/pidfd.hpp"
#include "support/temp_dir.hpp"

namespace vibed::testing {

class RealApi {
 public:
  // The one of this program, started when it is first asked for; null where there are no binaries,
  // and then `why` says so. Throws if they do not start.
  static RealApi* instance(std::string& why);
  // Ends it; main's last word.
  ~RealApi();

  // As a member of system:masters, by a client certificate.
  kube::Access access() const;
  // As the user "tester", who may do nothing, by a token.
  kube::Access access_of_tester() const;

  // The API server is killed and started again on its port.
  void kill();
  void start();

 private:
  RealApi();
  void make_certificates();
  void start_etcd();
  void wait_until_ready();

  TempDir folder_;
  Process etcd_;
  Process api_;
  int port_ = 0;
  int etcd_port_ = 0;
};

}  // namespace vibed::testing
