// RealS3: a versitygw of the tests' own, where scripts/parts has built one.
#pragma once

#include <memory>
#include <string>

#include "process/spawn.hpp"
#include "support/temp_dir.hpp"
#include "vibed/source_store.hpp"

namespace vibed::testing {

class RealS3 {
 public:
  // The one of this test program, started by the first who asks; null with the reason in `why`
  // where there is none.
  static RealS3* instance(std::string& why);
  ~RealS3();

  // A new, empty bucket, as its owner has it; "host" addressing works too.
  S3SourceOptions make_bucket(const std::string& addressing = "path");

  std::string url() const { return "http://s3.localhost:" + std::to_string(port_); }

 private:
  RealS3(std::string program, int port);
  std::string start();  // why not; "": it answers

  const std::string program_;
  const int port_;
  TempDir folder_;
  Process process_;
};

}  // namespace vibed::testing
