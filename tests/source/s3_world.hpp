// A store in the bucket of an S3Double, as tests use it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "source/s3_double.hpp"
#include "source/s3_source_store.hpp"

namespace vibed::testing {

inline constexpr std::size_t kPart = 1000;

inline S3Tuning tuning() {
  S3Tuning tuning;
  tuning.part_bytes = kPart;
  tuning.attempts = 4;
  tuning.deadline = std::chrono::seconds(5);
  return tuning;
}

inline std::unique_ptr<SourceStore> open(const S3SourceOptions& options,
                                         const S3Tuning& with = tuning()) {
  auto opened = open_s3_source_store(options, with);
  EXPECT_TRUE(opened) << opened.error().message;
  return opened ? std::move(*opened) : nullptr;
}

inline Result<StoredSource> put(SourceStore& store, const std::string& bytes) {
  auto source = make_memory_source(bytes);
  return store.put("app", 1, *source);
}

inline std::string get(SourceStore& store, const std::string& key) {
  auto opened = store.open(key);
  if (!opened) return "error: " + opened.error().reason;
  auto bytes = read_all(**opened, 1'000'000);
  return bytes ? *bytes : "error: " + bytes.error().reason;
}

// `instead` for the first `times` requests of that kind.
inline S3Double::Break first(int times, const std::string& what, const Script& instead) {
  return [=](const S3Asked& asked, int number) {
    return asked.what() == what && number <= times ? S3Fault{instead} : S3Fault{};
  };
}

}  // namespace vibed::testing
