// One source in a bucket: how it is written, what is known of it, how it is read. Blocking.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "aws/s3_client.hpp"
#include "vibed/stream.hpp"

namespace vibed {

struct S3Written {
  std::uint64_t size = 0;
  std::string sha256;  // of all bytes, in hex
  std::string
      checksum;  // as S3 keeps it: Base64, of a multipart upload that of its parts' and "-N"
};

// Sends `bytes` as the new object `name`: in one request if they fit into one part, else part by
// part. At most two parts are in memory. A failure leaves no upload behind that could be ended.
class S3Writer {
 public:
  // `client` outlives the writer. `part_bytes` is at least 5 MiB for S3 itself.
  S3Writer(aws::S3Client& client, std::size_t part_bytes)
      : client_(client), part_bytes_(part_bytes) {}

  Result<S3Written> write(const std::string& name, ByteSource& bytes);

 private:
  Result<S3Written> write_whole(const std::string& name, std::string bytes);
  Result<S3Written> write_parts(const std::string& name, std::string first, std::string second,
                                ByteSource& rest);
  Result<S3Written> send_parts(const std::string& name, const std::string& upload,
                               std::string first, std::string second, ByteSource& rest);
  Result<aws::UploadedPart> send_part(const std::string& name, const std::string& upload,
                                      std::size_t number, std::string bytes);
  Status complete(const std::string& name, const std::string& upload,
                  const std::vector<aws::UploadedPart>& parts);

  aws::S3Client& client_;
  const std::size_t part_bytes_;
};

// Ends a multipart upload that will not be completed. One that is not there is a success.
Status abort_upload(aws::S3Client& client, const std::string& name, const std::string& upload);

struct S3Facts {
  std::uint64_t size = 0;
  std::chrono::system_clock::time_point modified = {};
  std::string sha256;            // as the writer noted it; "" of a multipart upload
  std::string checksum;          // as the store has it; "" if it keeps none
  std::uint64_t part_bytes = 0;  // as the writer noted it; 0 if it did not
  std::string etag;
};

// `not_found` if there is no such object.
Result<S3Facts> facts_of(aws::S3Client& client, const std::string& name);

// Reads an object in pieces of at most `piece_bytes`, each a request of its own that is repeated
// when it breaks, all of the same object. The last read fails with source_damaged when the bytes
// were not those that were written.
Result<std::unique_ptr<ByteSource>> open_s3_object(std::shared_ptr<aws::S3Client> client,
                                                   const std::string& name,
                                                   std::size_t piece_bytes);

}  // namespace vibed
