#include "control/event_log.hpp"

#include <algorithm>

#include "base/ids.hpp"
#include "base/text.hpp"
#include "base/time.hpp"

namespace vibed::control {
namespace {

// client-go's figures.
constexpr std::chrono::minutes kSeriesEnds{6};
constexpr double kBurst = 25;
constexpr std::chrono::minutes kOneMoreEvery{5};
constexpr std::chrono::minutes kWrittenEvery{1};
constexpr std::size_t kMostSeries = 4096;
constexpr std::size_t kLongestNote = 1024;
constexpr std::size_t kLongestName = 200;

std::string micro_time(EventLog::Time time) {
  std::string text = to_rfc3339_nano(time);
  return text.substr(0, text.find('.') + 7) + "Z";
}

bool is_power_of_two(std::int64_t number) { return (number & (number - 1)) == 0; }

Json series_of(std::int64_t count, EventLog::Time seen) {
  return {{"count", count}, {"lastObservedTime", micro_time(seen)}};
}

}  // namespace

bool EventLog::may_begin(const std::string& object, Time now) {
  if (buckets_.size() >= kMostSeries) {
    std::erase_if(buckets_, [&](const auto& entry) {
      return now - entry.second.filled > kOneMoreEvery * kBurst;  // it is full again
    });
  }
  auto [at, is_new] = buckets_.try_emplace(object, Bucket{kBurst, now});
  Bucket& bucket = at->second;
  const std::chrono::duration<double> passed = now - bucket.filled;
  const std::chrono::duration<double> each = kOneMoreEvery;
  bucket.tokens = std::min(kBurst, bucket.tokens + std::max(0.0, passed / each));
  bucket.filled = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

void EventLog::forget_old(Time now) {
  while (!ages_.empty()) {
    const auto oldest = series_.find(ages_.front());
    if (series_.size() < kMostSeries && now - oldest->second.seen < kSeriesEnds) return;
    series_.erase(oldest);
    ages_.pop_front();
  }
}

Json EventLog::event_of(const Json& object, const Happening& happening, const ObjectKey& key,
                        Time now) const {
  return {{"apiVersion", "events.k8s.io/v1"},
          {"kind", "Event"},
          {"metadata", {{"namespace", key.space}, {"name", key.name}}},
          {"eventTime", micro_time(now)},
          {"reportingController", controller_},
          {"reportingInstance", cut(instance_, 128)},
          {"action", cut(happening.action, 128)},
          {"reason", cut(happening.reason, 128)},
          {"type", happening.warning ? "Warning" : "Normal"},
          {"note", cut(happening.note, kLongestNote)},
          {"regarding",
           {{"apiVersion", kube::text_at(object, {"apiVersion"})},
            {"kind", kube::text_at(object, {"kind"})},
            {"namespace", kube::key_of(object).space},
            {"name", kube::key_of(object).name},
            {"uid", kube::uid_of(object)},
            {"resourceVersion", kube::version_of(object)}}}};
}

std::optional<EventLog::Write> EventLog::record(const Json& object, const Happening& happening,
                                                Time now) {
  forget_old(now);
  const ObjectKey about = kube::key_of(object);
  const std::string who = about.text() + " " + kube::uid_of(object);
  const std::string what =
      Json::array({who, happening.warning, happening.reason, happening.action, happening.note})
          .dump(-1, ' ', false, Json::error_handler_t::replace);
  if (const auto at = series_.find(what); at != series_.end()) {
    Series& series = at->second;
    ++series.count;
    series.seen = now;
    ages_.splice(ages_.end(), ages_, series.age);
    if (!is_power_of_two(series.count) && now - series.written < kWrittenEvery) return std::nullopt;
    series.written = now;
    const Json count = series_of(series.count, now);
    series.event["series"] = count;
    return Write{false, series.key, {{"series", count}}, series.event};
  }
  if (!may_begin(who, now)) return std::nullopt;
  // Events of what is in no namespace are kept in "default".
  const ObjectKey key{about.space.empty() ? "default" : about.space,
                      std::string(cut(about.name, kLongestName)) + "." + random_hex(8)};
  Json event = event_of(object, happening, key, now);
  const auto age = ages_.insert(ages_.end(), what);
  series_.emplace(what, Series{event, key, 1, now, now, age});
  return Write{true, key, std::move(event), {}};
}

}  // namespace vibed::control
