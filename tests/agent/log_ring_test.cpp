#include "agent/log_ring.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace vibed::agent {
namespace {

const LogRing::Time kNow{};

std::vector<std::string> texts(const std::vector<RingLine>& lines) {
  std::vector<std::string> result;
  for (const RingLine& line : lines)
    result.push_back(std::string(to_string(line.source)) + ":" + line.text);
  return result;
}

using Texts = std::vector<std::string>;

TEST(LogRing, PutsLinesTogetherFromPiecesOfEachStream) {
  LogRing ring(10);
  ring.append(LogSource::out, "he", kNow);
  ring.append(LogSource::err, "oops\nmo", kNow);
  ring.append(LogSource::out, "llo\r\n\nx", kNow);
  EXPECT_EQ(texts(ring.tail(0)),
            (Texts{"stderr:oops", "stdout:hello", "stdout:", "stdout:x", "stderr:mo"}));
  EXPECT_EQ(ring.read(0).lines.size(), 3U) << "only whole lines are streamed";
  ring.flush(kNow);
  EXPECT_EQ(ring.read(0).lines.size(), 5U);
}

TEST(LogRing, KeepsTheNewestLines) {
  LogRing ring(3);
  for (int i = 0; i < 10; ++i) ring.append(LogSource::out, std::to_string(i) + "\n", kNow);
  EXPECT_EQ(texts(ring.tail(0)), (Texts{"stdout:7", "stdout:8", "stdout:9"}));
  EXPECT_EQ(texts(ring.tail(2)), (Texts{"stdout:8", "stdout:9"}));
}

TEST(LogRing, ALineWithoutAnEndIsCutAt64KiB) {
  LogRing ring(10);
  ring.append(LogSource::out, std::string(LogRing::kLongestLine * 2 + 5, 'x'), kNow);
  auto lines = ring.tail(0);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0].text.size(), LogRing::kLongestLine);
  EXPECT_EQ(lines[2].text.size(), 5U);
}

TEST(LogRing, AFloodStaysWithinItsBytes) {
  LogRing ring(1'000'000);
  for (int i = 0; i < 1000; ++i) ring.append(LogSource::out, std::string(10'000, 'x') + "\n", kNow);
  std::size_t bytes = 0;
  for (const RingLine& line : ring.tail(0)) bytes += line.text.size();
  EXPECT_LE(bytes, LogRing::kMaxBytes);
  EXPECT_GT(bytes, LogRing::kMaxBytes / 2);
}

TEST(LogRing, AReaderThatFellBehindGoesOnWithWhatIsLeft) {
  LogRing ring(3);
  std::uint64_t from = ring.cursor(1);
  for (int i = 0; i < 10; ++i) ring.append(LogSource::out, std::to_string(i) + "\n", kNow);
  auto batch = ring.read(from);
  EXPECT_EQ(texts(batch.lines), (Texts{"stdout:7", "stdout:8", "stdout:9"}));
  EXPECT_TRUE(ring.read(batch.next).lines.empty());
  ring.clear();
  ring.append(LogSource::err, "new\n", kNow);
  EXPECT_EQ(texts(ring.read(batch.next).lines), (Texts{"stderr:new"}));
}

TEST(LogRing, AWaitingReaderIsWokenByALineAndByTheEnd) {
  LogRing ring(3);
  std::thread writer([&] { ring.remark("hello", kNow); });
  EXPECT_TRUE(ring.wait(0, std::chrono::seconds(60)));
  writer.join();
  EXPECT_EQ(texts(ring.read(0).lines), (Texts{"vibed:hello"}));
  EXPECT_FALSE(ring.wait(1, std::chrono::milliseconds(1)));
  std::thread closer([&] { ring.close(); });
  EXPECT_TRUE(ring.wait(1, std::chrono::seconds(60)));
  closer.join();
}

}  // namespace
}  // namespace vibed::agent
