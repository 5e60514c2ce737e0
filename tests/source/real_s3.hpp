// RealS3: a versitygw of the tests' own, where scripts/parts has built one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fetch/tls_server.hpp"
#include "process/spawn.hpp"
#include "support/temp_dir.hpp"
#include "vibed/source_store.hpp"

namespace vibed::testing {

class RealS3 {
 public:
  // The one of this test program, started by the first who asks; null with the reason in `why`
  // where there is none.
  static RealS3* instance(std::string& why);
  // Another one, that speaks TLS with a certificate of `authority` for 127.0.0.1.
  static std::unique_ptr<RealS3> with_tls(const Authority& authority, std::string& why);
  // Another one, that keeps its objects in the folder `data`. It ends with the calling thread.
  static std::unique_ptr<RealS3> with_data(const std::string& data, std::string& why);
  ~RealS3();

  void kill();          // with SIGKILL
  std::string start();  // again, where it was; why not, "": it answers

  // A new, empty bucket, as its owner has it; "host" addressing works too.
  S3SourceOptions make_bucket(const std::string& addressing = "path");

  std::string url() const {
    const std::string port = std::to_string(port_);
    return authorities_.empty() ? "http://s3.localhost:" + port : "https://127.0.0.1:" + port;
  }

  // Who vouches for it, as a file; of one that speaks TLS.
  std::string authorities_file() const { return folder_ / "authorities.pem"; }

 private:
  RealS3(std::string program, int port);
  void speak_tls(const Authority& authority);

  const std::string program_;
  const int port_;
  TempDir folder_;
  std::string authorities_;  // PEM; empty: plain HTTP
  std::vector<std::string> tls_;
  std::string data_ = folder_ / "data";
  Process process_;
};

}  // namespace vibed::testing
