#include "app/label_value.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "app/kubernetes_record.hpp"

namespace vibed {
namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// As k8s.io/apimachinery validates them; one wrong label refuses the whole object:
// (([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?
bool is_label_value(const std::string& text) {
  if (text.empty()) return true;
  return text.size() <= 63 && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

TEST(LabelValue, KeepsWhatItCan) {
  EXPECT_EQ(label_value("admin"), "admin");
  EXPECT_EQ(label_value("anna@example.org"), "anna_example.org");
  EXPECT_EQ(label_value("_@anna!"), "anna");
  EXPECT_EQ(label_value("änne"), "nne");
  EXPECT_EQ(label_value("Jörg"), "J_rg");
  EXPECT_EQ(label_value("Mr. Pop"), "Mr._Pop");
  EXPECT_EQ(label_value("@@@"), "");
  EXPECT_EQ(label_value(""), "");
  EXPECT_EQ(label_value("名前"), "");
}

TEST(LabelValue, IsCutWhereItMayEnd) {
  EXPECT_EQ(label_value(std::string(100, 'a')), std::string(63, 'a'));
  EXPECT_EQ(label_value(std::string(62, 'a') + "@b"), std::string(62, 'a'));
  EXPECT_EQ(label_value("@" + std::string(63, 'a')), std::string(63, 'a'));
  EXPECT_EQ(label_value("a" + std::string(62, '.') + "b"), "a");
}

// Every byte, at every place of every text of up to three characters.
TEST(LabelValue, IsAlwaysOne) {
  std::vector<std::string> letters = {"a", "Z", "9", "-", "_", ".", "@", "\xc3\xa4", ""};
  for (int byte = 0; byte < 256; ++byte) letters.emplace_back(1, static_cast<char>(byte));
  for (const std::string& first : letters) {
    for (const std::string& last : letters) {
      for (const char* between : {"", "x", "-", "@", "\xe5\x90\x8d"}) {
        const std::string text = first + between + last;
        const std::string value = label_value(text);
        ASSERT_TRUE(is_label_value(value)) << ::testing::PrintToString(text) << " " << value;
        ASSERT_EQ(label_value(value), value) << "once more changes nothing";
        // What is one already stays.
        if (is_label_value(text)) {
          ASSERT_EQ(value, text);
        }
      }
    }
  }
}

TEST(LabelValue, IsOneAtEveryLength) {
  for (std::size_t size = 0; size <= 300; ++size) {
    for (const char* unit : {"a", "a.", ".a", "ä", "aä", "@", "ab_-."}) {
      std::string text;
      while (text.size() < size) text += unit;
      const std::string value = label_value(text);
      ASSERT_TRUE(is_label_value(value)) << text << " " << value;
      ASSERT_EQ(value.empty(), text.find('a') == text.npos) << text;
    }
  }
}

// An owner may be any text of up to 256 bytes that auth lets in: the record keeps it as it is, and
// its label is one that the API server takes.
TEST(LabelValue, EveryOwnerCanBeWritten) {
  const std::string quoted = R"("quoted\" / {"owner": 1})";
  for (const std::string& owner :
       {std::string(256, '@'), std::string(256, 'x'), quoted, std::string(" leading"),
        std::string("名前"), std::string("-"), std::string("\xf0\x9f\xa6\x80"),
        std::string("system:serviceaccount:a:b"), std::string("CN=Anna,O=Example")}) {
    App app;
    app.name = "web";
    app.labels["vibed.dev/owner"] = label_value(owner);
    app.spec.owner = owner;
    kube::Json object = created_object(fit_for_kubernetes(app), "apps");
    EXPECT_TRUE(is_label_value(kube::text_at(object, {"metadata", "labels", "vibed.dev/owner"})))
        << owner;
    EXPECT_EQ(kube::Json::parse(kube::to_text(object))["spec"]["owner"], owner);
  }
}

}  // namespace
}  // namespace vibed
