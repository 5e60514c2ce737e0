// What a failed S3 request means to whoever runs vibed: one word, and what to do next. Pure.
#pragma once

#include <chrono>
#include <string>

#include "aws/answers.hpp"
#include "vibed/result.hpp"

namespace vibed::aws {

struct S3Failed {
  int status = 0;          // 0: no answer came
  ServiceError said = {};  // of the answer
  Error connection = {};   // of no answer
  std::chrono::seconds clock_off{0};

  bool is_head = false;     // such an answer has no words
  std::string action = {};  // that a policy must allow, "s3:PutObject"
  std::string bucket = {};
  std::string endpoint = {};
  std::string region = {};  // that was asked
  std::string key_id = {};  // of the credentials, which is no secret
  std::string origin = {};  // of the credentials
};

// storage_missing, storage_denied, storage_credentials, storage_clock_skew, storage_full,
// storage_unavailable, bad_config (the region); without a word `not_found` for an object that is
// not there and `already_exists` for a condition that does not hold.
Error s3_error(const S3Failed& failed);

}  // namespace vibed::aws
