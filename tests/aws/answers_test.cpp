// What services answer: as they document it, and as they should not.
#include "aws/answers.hpp"

#include <gtest/gtest.h>

#include "base/time.hpp"

namespace vibed::aws {
namespace {

TEST(AwsAnswers, ACredentialDocumentHasKeysAndAnEnd) {
  auto read = parse_credential_document(
      R"({"Code":"Success","AccessKeyId":"A","SecretAccessKey":"S","Token":"T",
          "Expiration":"2026-11-23T01:00:00Z","Type":"AWS-HMAC"})");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->keys, (fetch::AwsKeys{"A", "S", "T"}));
  EXPECT_EQ(read->expires, parse_rfc3339("2026-11-23T01:00:00Z"));
  EXPECT_FALSE(parse_credential_document(R"({"AccessKeyId":"A","SecretAccessKey":"S"})")->expires);
}

TEST(AwsAnswers, ACredentialDocumentThatIsNoneIsRefused) {
  for (const char* bad : {"", "null", "[]", "<x/>", "{}", R"({"AccessKeyId":"A"})",
                          R"({"AccessKeyId":1})", R"({"AccessKeyId":"A\nB","SecretAccessKey":"S"})",
                          R"({"AccessKeyId":"A","SecretAccessKey":"S","Expiration":"soon"})",
                          R"({"AccessKeyId":"A","SecretAccessKey":"S","Token":"a\r\nX: y"})"}) {
    auto read = parse_credential_document(bad);
    ASSERT_FALSE(read) << bad;
    EXPECT_EQ(read.error().reason, "storage_credentials");
  }
  auto refused =
      parse_credential_document(R"({"Code":"AssumeRoleUnauthorizedAccess","Message":"no"})");
  EXPECT_NE(refused.error().message.find("AssumeRoleUnauthorizedAccess: no"), std::string::npos);
}

TEST(AwsAnswers, StsWrapsItsCredentials) {
  auto read = parse_sts_answer(
      R"(<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
         <AssumedRoleUser><Arn>arn:x</Arn></AssumedRoleUser><Credentials>
         <AccessKeyId>A</AccessKeyId><SecretAccessKey>S/+</SecretAccessKey>
         <SessionToken>T==</SessionToken><Expiration>2026-11-23T01:00:00.000Z</Expiration>
         </Credentials></AssumeRoleResult></AssumeRoleResponse>)");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->keys, (fetch::AwsKeys{"A", "S/+", "T=="}));
  EXPECT_EQ(read->expires, parse_rfc3339("2026-11-23T01:00:00Z"));
  EXPECT_FALSE(parse_sts_answer("<a/>"));
  EXPECT_FALSE(parse_sts_answer("no"));
}

TEST(AwsAnswers, ErrorsAreReadWhereverTheyAreWrapped) {
  const ServiceError s3 = parse_service_error(
      "<?xml version=\"1.0\"?><Error><Code>PermanentRedirect</Code><Message>Go\nthere</Message>"
      "<Region>eu-west-1</Region></Error>");
  EXPECT_EQ(s3.code, "PermanentRedirect");
  EXPECT_EQ(s3.message, "Go there") << "one line";
  EXPECT_EQ(s3.region, "eu-west-1");
  EXPECT_EQ(parse_service_error("<ErrorResponse xmlns='u'><Error><Type>Sender</Type>"
                                "<Code>ExpiredTokenException</Code></Error></ErrorResponse>")
                .code,
            "ExpiredTokenException");
  for (const char* none : {"", "{}", "<html><body>502</body></html>", "<Error", "<Error/>"}) {
    EXPECT_EQ(parse_service_error(none).code, "") << none;
  }
  EXPECT_LT(parse_service_error("<Error><Message>" + std::string(9999, 'x') + "</Message></Error>")
                .message.size(),
            400u);
}

TEST(AwsAnswers, AListOfObjectsComesInPages) {
  auto page = parse_object_page(
      R"(<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>
         <Contents><Key>a&amp;b</Key><LastModified>2026-11-23T01:00:00.123Z</LastModified>
         <Size>5000000000</Size></Contents><CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>
         <IsTruncated>true</IsTruncated><NextContinuationToken>t/+=</NextContinuationToken>
         </ListBucketResult>)");
  ASSERT_TRUE(page) << page.error().message;
  ASSERT_EQ(page->objects.size(), 1u);
  EXPECT_EQ(page->objects[0].key, "a&b");
  EXPECT_EQ(page->objects[0].size, 5'000'000'000u);
  EXPECT_EQ(page->next, "t/+=");
  auto last = parse_object_page(
      "<ListBucketResult><IsTruncated>false</IsTruncated>"
      "<NextContinuationToken>x</NextContinuationToken></ListBucketResult>");
  ASSERT_TRUE(last);
  EXPECT_EQ(last->next, "");
}

TEST(AwsAnswers, AListThatIsCutOrStrangeIsAnError) {
  for (const char* bad :
       {"", "<Error/>", "<html/>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key><LastModified>2026-11-23T01:00:00Z</LastModified>"
        "<Size>-1</Size></Contents></ListBucketResult>"}) {
    EXPECT_FALSE(parse_object_page(bad)) << bad;
    EXPECT_FALSE(parse_upload_page(bad)) << bad;
  }
}

TEST(AwsAnswers, UploadsBeginEndAndAreListed) {
  EXPECT_EQ(*parse_upload_begun("<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key>"
                                "<UploadId>u/1</UploadId></InitiateMultipartUploadResult>"),
            "u/1");
  EXPECT_FALSE(parse_upload_begun("<InitiateMultipartUploadResult/>"));
  EXPECT_TRUE(
      is_upload_complete("<CompleteMultipartUploadResult><ETag>e</ETag>"
                         "</CompleteMultipartUploadResult>"));
  EXPECT_FALSE(is_upload_complete("<Error><Code>InternalError</Code></Error>"));
  EXPECT_FALSE(is_upload_complete(""));
  auto page = parse_upload_page(
      "<ListMultipartUploadsResult><Upload><Key>k</Key><UploadId>u</UploadId>"
      "<Initiated>2026-11-23T01:00:00Z</Initiated></Upload><IsTruncated>true</IsTruncated>"
      "<NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>"
      "</ListMultipartUploadsResult>");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->uploads[0].id, "u");
  EXPECT_EQ(page->next_key, "k");
  EXPECT_EQ(page->next_id, "u");
}

TEST(AwsAnswers, ACompletionNamesItsParts) {
  EXPECT_EQ(complete_upload_text({{"\"e1\"", "c1="}, {"e<2", ""}}),
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
            "<Part><PartNumber>1</PartNumber><ETag>\"e1\"</ETag>"
            "<ChecksumSHA256>c1=</ChecksumSHA256></Part>"
            "<Part><PartNumber>2</PartNumber><ETag>e&lt;2</ETag></Part></CompleteMultipartUpload>");
}

}  // namespace
}  // namespace vibed::aws
