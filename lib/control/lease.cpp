#include "control/lease.hpp"

#include <algorithm>

#include "base/time.hpp"

namespace vibed::control {
namespace {

// A MicroTime: the API server wants exactly six digits.
std::string micro_time(std::chrono::system_clock::time_point wall) {
  std::string text = to_rfc3339_nano(wall);  // …:00.123456789Z
  const std::size_t dot = text.find('.');
  return text.substr(0, dot + 7) + "Z";
}

}  // namespace

LeaseRecord lease_record(const kube::Json& lease) {
  const kube::Json& spec = kube::find(lease, {"spec"});
  const auto number = [&](std::string_view name) {
    const kube::Json& value = kube::find(spec, {name});
    return value.is_number_integer() ? value.get<std::int64_t>() : 0;
  };
  return {kube::text_at(spec, {"holderIdentity"}),
          std::chrono::seconds(std::clamp<std::int64_t>(number("leaseDurationSeconds"), 0, 86'400)),
          kube::text_at(spec, {"acquireTime"}), kube::text_at(spec, {"renewTime"}),
          number("leaseTransitions")};
}

kube::Json lease_with(const kube::Json& lease, const kube::ObjectKey& key,
                      const LeaseRecord& record) {
  kube::Json object = lease;
  if (object.is_null()) {
    object = {{"apiVersion", "coordination.k8s.io/v1"},
              {"kind", "Lease"},
              {"metadata", {{"namespace", key.space}, {"name", key.name}}}};
  }
  object["spec"]["holderIdentity"] = record.holder;
  object["spec"]["leaseDurationSeconds"] = record.duration.count();
  object["spec"]["acquireTime"] = record.acquired;
  object["spec"]["renewTime"] = record.renewed;
  object["spec"]["leaseTransitions"] = record.transitions;
  return object;
}

void LeaseView::observe(const LeaseRecord& record, Time when) {
  if (changed_ && record == record_) return;
  record_ = record;
  changed_ = when;
  if (record.holder != identity_) resign();
}

void LeaseView::renewed(const LeaseRecord& record, Time when) {
  record_ = record;
  changed_ = when;
  leads_until_ = when + times_.renew_deadline;
}

bool LeaseView::may_take(Time now) const {
  if (!changed_ || record_.holder.empty() || record_.holder == identity_) return true;
  // The holder's own idea of its duration counts: it may be of another version.
  const auto told = std::chrono::milliseconds(record_.duration);
  return now >= *changed_ + std::max(told, times_.duration);
}

LeaseRecord LeaseView::next_record(std::chrono::system_clock::time_point wall) const {
  LeaseRecord next = record_;
  const bool is_new = next.holder != identity_;
  next.holder = identity_;
  next.duration = std::chrono::ceil<std::chrono::seconds>(times_.duration);
  next.renewed = micro_time(wall);
  if (is_new) {
    next.acquired = next.renewed;
    if (changed_) ++next.transitions;
  }
  return next;
}

LeaseRecord LeaseView::released_record(std::chrono::system_clock::time_point wall) const {
  LeaseRecord next = record_;
  next.holder.clear();
  next.duration = std::chrono::seconds(1);
  next.renewed = micro_time(wall);
  next.acquired = next.renewed;
  return next;
}

std::chrono::milliseconds LeaseView::wait(double random) const {
  if (leads_until_ != Time::min()) return times_.retry_period;
  const auto period = static_cast<double>(times_.retry_period.count());
  const double factor = 1.0 + times_.jitter * std::clamp(random, 0.0, 1.0);
  return std::chrono::milliseconds(static_cast<std::int64_t>(period * factor));
}

}  // namespace vibed::control
