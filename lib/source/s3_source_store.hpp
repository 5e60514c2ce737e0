// The parts of the store in a bucket that tests set; everyone else uses the public header.
#pragma once

#include <chrono>
#include <memory>

#include "aws/obtain.hpp"
#include "vibed/source_store.hpp"

namespace vibed {

struct S3Tuning {
  std::size_t part_bytes = 8 * 1024 * 1024;
  int attempts = 8;
  std::chrono::milliseconds attempt_timeout{60'000};
  std::chrono::milliseconds deadline{25'000};  // after which no new attempt begins
  std::chrono::seconds stale_upload{24 * 3600};
  aws::Now now = std::chrono::system_clock::now;
};

Result<std::unique_ptr<SourceStore>> open_s3_source_store(const S3SourceOptions& options,
                                                          const S3Tuning& tuning);

}  // namespace vibed
