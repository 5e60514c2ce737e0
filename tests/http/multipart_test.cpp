#include "http/multipart.hpp"

#include <gtest/gtest.h>

#include "vibed/stream.hpp"

namespace vibed::http {
namespace {

const std::string kForm =
    "--xyz\r\n"
    "Content-Disposition: form-data; name=\"metadata\"\r\n"
    "\r\n"
    "{\"name\":\"a\"}\r\n"
    "--xyz\r\n"
    "content-disposition: form-data; name=\"source\"; filename=\"a;\\\"b.tgz\"\r\n"
    "Content-Type: application/gzip\r\n"
    "\r\n"
    "\r\n--xy\r\n-\r\n"
    "\r\n"
    "--xyz--\r\n";

Result<std::vector<Part>> parse(const std::string& body, std::size_t piece = 1U << 20U,
                                MultipartLimits limits = {}) {
  MultipartParser parser("xyz", limits);
  for (std::size_t i = 0; i < body.size(); i += piece) {
    auto fed = parser.feed(std::string_view(body).substr(i, piece));
    if (!fed) return std::move(fed).error();
  }
  return parser.finish();
}

std::string content(const std::string& body, const Part& part) {
  return body.substr(part.offset, part.length);
}

TEST(Multipart, PartsAreRangesOfTheBodyWhateverThePiecesItComesIn) {
  auto whole = parse(kForm);
  ASSERT_TRUE(whole) << whole.error().message;
  ASSERT_EQ(whole->size(), 2U);
  EXPECT_EQ((*whole)[0].name, "metadata");
  EXPECT_FALSE((*whole)[0].filename);
  EXPECT_EQ(content(kForm, (*whole)[0]), "{\"name\":\"a\"}");
  EXPECT_EQ((*whole)[1].filename, "a;\"b.tgz");
  EXPECT_EQ((*whole)[1].content_type, "application/gzip");
  EXPECT_EQ(content(kForm, (*whole)[1]), "\r\n--xy\r\n-\r\n");
  for (std::size_t piece = 1; piece < 40; ++piece) {
    auto pieces = parse(kForm, piece);
    ASSERT_TRUE(pieces) << piece << ": " << pieces.error().message;
    EXPECT_EQ(*pieces, *whole) << piece;
  }
}

TEST(Multipart, AFormCutAnywhereIsRefused) {
  // All but the line end behind the last boundary matters.
  for (std::size_t size = 0; size < kForm.size() - 2; ++size) {
    auto cut = parse(kForm.substr(0, size), 7);
    ASSERT_FALSE(cut) << size;
    EXPECT_EQ(cut.error().reason, "bad_multipart");
  }
  EXPECT_TRUE(parse(kForm.substr(0, kForm.size() - 2)));
}

TEST(Multipart, AnEmptyPartIsEmpty) {
  auto parts =
      parse("--xyz\r\nContent-Disposition: form-data; name=a; filename=\"\"\r\n\r\n\r\n--xyz--");
  ASSERT_TRUE(parts);
  EXPECT_EQ((*parts)[0].length, 0U);
  EXPECT_EQ((*parts)[0].filename, "");
}

TEST(Multipart, WhatIsNotAFormIsRefused) {
  const std::string head = "--xyz\r\nContent-Disposition: form-data; name=a";
  const std::string tail = "\r\n\r\nb\r\n--xyz--\r\n";
  ASSERT_TRUE(parse(head + tail));
  for (const std::string& body : {
           std::string("hello"),
           "\r\n" + head + tail,
           "preamble\r\n" + head + tail,
           head + tail + "epilogue",
           std::string("--xyz\r\n\r\nb\r\n--xyz--\r\n"),
           std::string("--xyz\r\nX: y\r\n\r\nb\r\n--xyz--\r\n"),
           std::string("--xyz\r\nContent-Disposition: form-data\r\n\r\nb\r\n--xyz--\r\n"),
           std::string("--xyz\r\nContent-Disposition: attachment; name=a\r\n\r\nb\r\n--xyz--\r\n"),
           std::string("--xyz\nContent-Disposition: form-data; name=a\n\nb\n--xyz--\n"),
           head + "; name=b" + tail,
           head + "; filename=\"open" + tail,
           head + "; filename=\"a\"b" + tail,
           head + "\r\n folded" + tail,
           head + "\r\nX : y" + tail,
           head + "\r\n: y" + tail,
           head + std::string("\r\nX: \0", 6) + tail,
           head + "\r\nContent-Disposition: form-data; name=b" + tail,
           head + "\r\nContent-Transfer-Encoding: base64" + tail,
           head + "\r\n\r\nb\r\n--xyzw\r\n--xyz--\r\n",
       }) {
    auto parts = parse(body);
    ASSERT_FALSE(parts) << body;
    EXPECT_EQ(parts.error().reason, "bad_multipart");
  }
}

TEST(Multipart, LimitsHold) {
  std::string many;
  for (int i = 0; i < 17; ++i) {
    many += "--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n";
  }
  EXPECT_FALSE(parse(many + "--xyz--"));
  EXPECT_TRUE(parse(many + "--xyz--", 100, {17, 8192}));
  std::string wide = "--xyz\r\nContent-Disposition: form-data; name=" + std::string(9000, 'a');
  EXPECT_FALSE(parse(wide + "\r\n\r\n\r\n--xyz--"));
  EXPECT_FALSE(parse(wide, 100));
}

TEST(Multipart, TheBoundaryComesFromTheContentType) {
  EXPECT_EQ(*multipart_boundary("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(*multipart_boundary("Multipart/Form-Data; charset=utf-8; Boundary=\"a b:c\""), "a b:c");
  for (const char* type :
       {"", "application/json", "multipart/mixed; boundary=a", "multipart/form-data",
        "multipart/form-data; boundary=", "multipart/form-data; boundary=\"a\r\nb\"",
        "multipart/form-data; boundary=a; boundary=b"}) {
    EXPECT_EQ(multipart_boundary(type).error().reason, "bad_multipart") << type;
  }
  EXPECT_FALSE(multipart_boundary("multipart/form-data; boundary=" + std::string(71, 'a')));
}

TEST(Multipart, ABodyIsReadToItsEnd) {
  auto body = make_memory_source(kForm);
  auto parts = read_multipart("multipart/form-data; boundary=xyz", *body);
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->size(), 2U);
}

}  // namespace
}  // namespace vibed::http
