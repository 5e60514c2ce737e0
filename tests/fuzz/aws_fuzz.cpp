// Whatever a service of AWS answers, or a shared file holds, is a value or an Error.
#include "aws/answers.hpp"
#include "aws/plan.hpp"
#include "aws/s3_error.hpp"
#include "support.hpp"

namespace {

using namespace vibed;

bool is_one_line(const std::string& text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos;
}

void check_keys(const Result<aws::Credentials>& read) {
  fuzz::fuzz_check(!read || !read->keys.id.empty(), "credentials have a key");
  fuzz::fuzz_check(!read || (is_one_line(read->keys.id) && is_one_line(read->keys.session)),
                   "what goes into headers fits them");
  fuzz::fuzz_check(read || read.error().reason == "storage_credentials", "an error has its word");
}

void check_plan(const aws::Plan& plan) {
  fuzz::fuzz_check(plan.kind != aws::Plan::Kind::assume_role || plan.base != nullptr,
                   "a role is taken with something");
  if (plan.base != nullptr) check_plan(*plan.base);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  check_keys(aws::parse_credential_document(text));
  check_keys(aws::parse_sts_answer(text));
  aws::S3Failed failed;
  failed.status = 403;
  failed.said = aws::parse_service_error(text);
  const Error error = aws::s3_error(failed);
  fuzz::fuzz_check(!error.message.empty() && is_one_line(error.message), "a message is one line");
  if (auto page = aws::parse_object_page(text)) {
    for (const auto& object : page->objects) fuzz::fuzz_check(!object.key.empty(), "keys");
    fuzz::fuzz_check(is_one_line(page->next), "a token fits a request");
  }
  if (auto page = aws::parse_upload_page(text)) {
    for (const auto& upload : page->uploads) fuzz::fuzz_check(!upload.id.empty(), "ids");
  }
  (void)aws::parse_upload_begun(text);
  (void)aws::is_upload_complete(text);

  // The file up to a zero byte is the config, the rest the credentials.
  const std::size_t zero = std::min(text.find('\0'), text.size());
  const aws::SharedFiles files{std::string(text.substr(0, zero)),
                               std::string(text.substr(std::min(zero + 1, text.size())))};
  for (const char* profile : {"", "a"}) {
    auto plan = aws::plan_credentials({{"AWS_PROFILE", profile}}, files);
    fuzz::fuzz_check(plan || plan.error().reason == "storage_credentials", "a plan or why not");
    if (plan) check_plan(*plan);
  }
  (void)aws::find_region({}, files);
  (void)aws::find_endpoint({}, files, "s3");
  return 0;
}
