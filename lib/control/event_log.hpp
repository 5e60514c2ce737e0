// EventLog decides how things that happen to objects become events of the cluster: equal ones are
// counted in one, and an object that makes too many is cut short. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>

#include "kube/object.hpp"

namespace vibed::control {

using kube::Json;
using kube::ObjectKey;

struct Happening {
  bool warning = false;
  std::string reason;  // "Claimed"
  std::string action;  // "Claim"
  std::string note;    // for people; past 1024 bytes it is cut
};

class EventLog {
 public:
  using Time = std::chrono::system_clock::time_point;

  // Who reports: "vibed.dev/controller", and the name of its pod.
  EventLog(std::string controller, std::string instance)
      : controller_(std::move(controller)), instance_(std::move(instance)) {}

  struct Write {
    bool create = true;  // else a merge patch
    ObjectKey key;
    Json object;  // or the patch
    Json whole;   // of a patch: what to create if the event is no longer there
  };

  // What to write for something that happened to `object` at `now`; nothing if it is only counted.
  std::optional<Write> record(const Json& object, const Happening& happening, Time now);

 private:
  struct Series {
    Json event;
    ObjectKey key;
    std::int64_t count = 1;
    Time seen;     // last
    Time written;  // last
    std::list<std::string>::iterator age;
  };
  struct Bucket {
    double tokens = 0;
    Time filled;
  };

  bool may_begin(const std::string& object, Time now);
  void forget_old(Time now);
  Json event_of(const Json& object, const Happening& happening, const ObjectKey& key,
                Time now) const;

  std::string controller_;
  std::string instance_;
  std::map<std::string, Series> series_;
  std::list<std::string> ages_;  // of series_, the one seen last at the end
  std::map<std::string, Bucket> buckets_;
};

}  // namespace vibed::control
