#include "http/source_url.hpp"

#include <gtest/gtest.h>

namespace vibed::http {
namespace {

TEST(SourceUrl, IsTakenApart) {
  auto url = parse_source_url("http://user:pw@Store.example:9000/a/b.tgz?sig=1%2F#frag");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "Store.example");
  EXPECT_EQ(url->port, "9000");
  EXPECT_EQ(url->target, "/a/b.tgz?sig=1%2F");
  EXPECT_EQ(parse_source_url("http://h?x")->target, "/?x");
  EXPECT_EQ(parse_source_url("http://[fd00::1]:81/")->host, "fd00::1");
  EXPECT_EQ(parse_source_url("HTTPS://h/")->port, "443");
}

TEST(SourceUrl, OtherSchemesAndOddFormsAreRefused) {
  EXPECT_EQ(parse_source_url("file:///etc/passwd").error().message,
            "source url scheme \"file\" is not allowed (http or https only)");
  for (const char* text : {"", "http//x", "http://", "http://:80/", "http://h:0/", "http://h:x/",
                           "http://[::1/", "http://h/a b", "http://h/\r\nX: y"})
    EXPECT_FALSE(parse_source_url(text)) << text;
}

TEST(SourceUrl, RedirectsMayBeRelative) {
  SourceUrl from = *parse_source_url("http://h:81/a/b?c");
  EXPECT_EQ(follow_redirect(from, "d")->target, "/a/d");
  EXPECT_EQ(follow_redirect(from, "/d?e")->target, "/d?e");
  EXPECT_EQ(follow_redirect(from, "//other/x")->host, "other");
  EXPECT_EQ(follow_redirect(from, "?e#f")->target, "/a/b?e");
  EXPECT_EQ(follow_redirect(from, "/d?to=http://x/")->host, "h");
  EXPECT_EQ(follow_redirect(from, "https://h/")->scheme, "https");
  EXPECT_FALSE(follow_redirect(*parse_source_url("https://h/"), "http://h/"));
  EXPECT_EQ(follow_redirect(*parse_source_url("https://h/"), "//i/")->scheme, "https");
  EXPECT_FALSE(follow_redirect(from, "gopher://h/"));
  EXPECT_FALSE(follow_redirect(from, ""));
}

// A presigned URL's signature covers the header as whoever signed it wrote it.
TEST(SourceUrl, TheHostHeaderHasAPortOnlyWhereOneIsNeeded) {
  EXPECT_EQ(parse_source_url("http://h/")->host_header(), "h");
  EXPECT_EQ(parse_source_url("https://h:443/")->host_header(), "h");
  EXPECT_EQ(parse_source_url("https://h:80/")->host_header(), "h:80");
  EXPECT_EQ(parse_source_url("http://[fd00::1]:81/")->host_header(), "[fd00::1]:81");
}

}  // namespace
}  // namespace vibed::http
