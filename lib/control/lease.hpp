// The rules by which one of several processes leads: a Lease of coordination.k8s.io. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "kube/object.hpp"

namespace vibed::control {

struct LeaseTimes {
  // The defaults are client-go's, so that mixed versions agree.
  std::chrono::milliseconds duration{15'000};        // after which others may take a silent lease
  std::chrono::milliseconds renew_deadline{10'000};  // after which we no longer lead
  std::chrono::milliseconds retry_period{2'000};
  double jitter = 1.2;  // of the retry period, while following
};

// A Lease's spec as it was read.
struct LeaseRecord {
  std::string holder;
  std::chrono::seconds duration{0};
  std::string acquired;  // RFC 3339 with microseconds
  std::string renewed;
  std::int64_t transitions = 0;
  friend bool operator==(const LeaseRecord&, const LeaseRecord&) = default;
};

LeaseRecord lease_record(const kube::Json& lease);

// `lease` (null: there is none yet) with `record` in it, to be created or replaced.
kube::Json lease_with(const kube::Json& lease, const kube::ObjectKey& key,
                      const LeaseRecord& record);

// What is known of a lease, by our own clock alone: clocks of others need not agree with it.
class LeaseView {
 public:
  using Time = std::chrono::steady_clock::time_point;

  LeaseView(std::string identity, LeaseTimes times)
      : identity_(std::move(identity)), times_(times) {}

  // A lease was read in a call that has ended at `when`: it cannot have been renewed later.
  void observe(const LeaseRecord& record, Time when);

  // Our own write of `record` that began at `when` was taken.
  void renewed(const LeaseRecord& record, Time when);

  // Whether we may act as the leader at `now`.
  bool leads(Time now) const { return now < leads_until(); }
  // Until when; the past if we do not lead.
  Time leads_until() const { return leads_until_; }
  // We stop acting, whatever the lease says.
  void resign() { leads_until_ = Time::min(); }

  // Whether the lease may be written with our name in it.
  bool may_take(Time now) const;

  // What to write then, at `wall` clock.
  LeaseRecord next_record(std::chrono::system_clock::time_point wall) const;
  // What to write when we go: free for everybody at once.
  LeaseRecord released_record(std::chrono::system_clock::time_point wall) const;

  // How long to wait before the next attempt. `random` is from 0 to 1.
  std::chrono::milliseconds wait(double random) const;

  const std::string& holder() const { return record_.holder; }

 private:
  std::string identity_;
  LeaseTimes times_;
  LeaseRecord record_;
  std::optional<Time> changed_;  // when the record was first seen as it is
  Time leads_until_ = Time::min();
};

}  // namespace vibed::control
