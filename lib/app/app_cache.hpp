// AppCache: the records of a cluster as its watch tells them, and before that as they were just
// written here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/kubernetes_record.hpp"
#include "app/watch_hub.hpp"

namespace vibed {

// Reads see both, so whoever writes sees what he wrote. Watches see only what the cluster's watch
// tells, in its order: what was written here may be newer than changes of others still on their
// way, and a watch that had told it would have passed them.
//
// A place is where a change stands in that order: its resource version, or the next number that is
// free if it comes out of order (a list after events went missing; removals that only a list
// shows). A record's place is never below its version, so that who begins again after a version he
// was told of may be told twice, and misses nothing.
//
// One thread at a time.
class AppCache {
 public:
  struct News {
    std::string name;
    std::string uid;
    RecordPointer record;      // null: it is gone
    std::int64_t version = 0;  // of the record, or of its removal; 0: by the time it was told
  };

  explicit AppCache(std::string space) : space_(std::move(space)) {}

  // What the watch has told: an event, or all that a list changes. `version` is known with it.
  void told(std::vector<News> news, std::int64_t version);

  // What was just written or read: kept until the watch has told it or something newer.
  void learned(RecordPointer record);
  // The record of `uid`, last seen at `version`, was just let go.
  void learned_gone(const std::string& name, const std::string& uid, std::int64_t version);

  // The newest that is known; null if there is none.
  RecordPointer find(const std::string& name) const;
  RecordPointer find_by_label(const std::string& label) const;
  std::vector<RecordPointer> all() const;  // in the order of names

  // Whether the watch has told everything that was learned otherwise.
  bool is_caught_up() const { return ahead_.empty(); }

  std::int64_t last_place() const { return last_place_; }
  std::optional<PlacedEvent> first_after(WatchPosition position) const;
  // Forgets old tombstones, none above `known`; those up to horizon() are unknown.
  void prune(std::int64_t known);
  std::int64_t horizon() const { return horizon_; }

 private:
  struct Told {
    RecordPointer record;
    std::int64_t place = 0;
  };
  struct Ahead {
    RecordPointer record;  // null: gone
    std::string uid;
    std::int64_t version = 0;
  };

  void place(News news);
  bool is_overtaken(const std::string& name, const Ahead& ahead) const;
  void note_label(const std::string& name);
  void forget_label(const std::string& name);
  void drop_ahead(std::map<std::string, Ahead>::iterator at);

  const std::string space_;
  std::map<std::string, Told> told_;
  std::map<std::string, Ahead> ahead_;
  std::map<std::string, std::string> by_label_;
  std::map<std::int64_t, std::string> by_place_;  // names of told_
  std::map<std::int64_t, App> gone_;              // tombstones, by place
  std::int64_t version_ = 0;                      // that the watch has reached
  std::int64_t last_place_ = 0;
  std::int64_t horizon_ = 0;
};

}  // namespace vibed
