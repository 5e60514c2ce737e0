// What is asked of a Caddy about its certificate, and what its log says when there is none.
#include "route/certificate.hpp"

#include <gtest/gtest.h>

namespace vibed::route {
namespace {

// As Caddy 2.11.9 wrote it for a key that bind9 did not know.
constexpr const char* kRefused =
    R"({"level":"error","ts":1795418886.5,"logger":"tls.obtain","msg":"could not get certificate from issuer",)"
    R"("identifier":"*.apps.test","issuer":"ca.test-dir","error":"[*.apps.test] solving challenges: NOTAUTH"})";
constexpr const char* kRetry =
    R"({"level":"error","ts":1795418886.6,"logger":"tls.obtain","msg":"will retry","error":"again: NOTAUTH","attempt":1})";

TEST(CertificateTrouble, IsTheNewestErrorOfTheLog) {
  EXPECT_EQ(certificate_trouble(kRefused),
            "could not get certificate from issuer: [*.apps.test] solving challenges: NOTAUTH");
  EXPECT_EQ(certificate_trouble(std::string(kRefused) + "\n" + kRetry + "\n"),
            "will retry: again: NOTAUTH");
}

TEST(CertificateTrouble, PassesOverLinesThatSayNothing) {
  const std::string refused = std::string(kRefused) + "\n";
  for (const char* line : {"", "\n\n", "not JSON\n", R"({"msg":"no error"})",
                           R"({"msg":"m","error":""})", R"({"msg":"m","error":{"a":1}})",
                           R"(["error"])", "\"error\"", R"({"level":"error","msg":"torn","err)"}) {
    EXPECT_EQ(certificate_trouble(refused + line),
              "could not get certificate from issuer: [*.apps.test] solving challenges: NOTAUTH")
        << line;
    EXPECT_EQ(certificate_trouble(line), "") << line;
  }
}

TEST(CertificateTrouble, KnowsThatTheFirstLineMayBeTorn) {
  EXPECT_EQ(certificate_trouble(std::string(kRefused).substr(30) + "\n" + kRetry),
            "will retry: again: NOTAUTH");
  EXPECT_EQ(certificate_trouble(std::string(kRefused).substr(30)), "");
}

TEST(CertificateTrouble, IsOneLineAndNotLong) {
  EXPECT_EQ(certificate_trouble(R"({"msg":"m","error":"one\ntwo\tthree"})"), "m: one two three");
  const std::string long_one =
      certificate_trouble(R"({"msg":"m","error":")" + std::string(3000, 'x') + R"("})");
  EXPECT_EQ(long_one, "m: " + std::string(597, 'x') + "...");
  // Two bytes a letter, and the cut would go through one.
  std::string umlauts;
  for (int i = 0; i < 1000; ++i) umlauts += "\xC3\xBC";
  const std::string cut = certificate_trouble(R"({"msg":"m","error":")" + umlauts + R"("})");
  EXPECT_EQ(cut.size(), 599 + 3);
  EXPECT_EQ(cut.substr(cut.size() - 5), "\xC3\xBC...");
}

TEST(CertificateQuestion, GoesToThisMachineForANameOfTheDomain) {
  for (const auto& [listen, url] : std::vector<std::pair<std::string, std::string>>{
           {":8443", "https://127.0.0.1:8443/"},
           {"0.0.0.0:443", "https://127.0.0.1:443/"},
           {"127.0.0.2:443", "https://127.0.0.2:443/"},
           {"[::]:443", "https://[::1]:443/"},
           {"edge.test:443", "https://edge.test:443/"}}) {
    FrontDoorPlan plan;
    plan.listen = listen;
    plan.domain = "apps.test";
    const CertificateQuestion question = certificate_question(plan);
    EXPECT_EQ(question.url, url);
    EXPECT_TRUE(is_app_host(question.name, "apps.test")) << question.name;
  }
}

}  // namespace
}  // namespace vibed::route
