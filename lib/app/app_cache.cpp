#include "app/app_cache.hpp"

#include <algorithm>

namespace vibed {

void AppCache::told(std::vector<News> news, std::int64_t version) {
  std::map<std::string, std::int64_t> replaced;  // version of the new record of a name
  for (const News& item : news) {
    if (item.record != nullptr) replaced[item.name] = item.version;
  }
  for (News& item : news) {
    if (item.version != 0) continue;
    // Gone when the list was made; before the new record of that name, if there is one.
    const auto at = replaced.find(item.name);
    item.version = at == replaced.end() ? version : at->second - 1;
  }
  std::stable_sort(news.begin(), news.end(),
                   [](const News& a, const News& b) { return a.version < b.version; });
  for (News& item : news) place(std::move(item));
  if (version_ == 0) horizon_ = version;  // what went before the first list is not known
  version_ = std::max(version_, version);
  last_place_ = std::max(last_place_, version_);
  for (auto at = ahead_.begin(); at != ahead_.end();) {
    const auto next = std::next(at);
    if (is_overtaken(at->first, at->second)) drop_ahead(at);
    at = next;
  }
}

void AppCache::place(News news) {
  const auto old = told_.find(news.name);
  if (news.record == nullptr && (old == told_.end() || old->second.record->app.uid != news.uid)) {
    return;  // nobody was told of it
  }
  last_place_ = std::max(news.version, last_place_ + 1);
  if (old != told_.end()) by_place_.erase(old->second.place);
  if (news.record != nullptr) {
    note_label(news.name);
    by_place_[last_place_] = news.name;
    told_[news.name] = {std::move(news.record), last_place_};
    return;
  }
  told_.erase(old);
  forget_label(news.name);
  App gone;
  gone.name = std::move(news.name);
  gone.space = space_;
  gone.uid = std::move(news.uid);
  gone.resource_version = last_place_;
  gone_[last_place_] = std::move(gone);
}

// REQUIRES: called before the name is put into told_ or ahead_, so that it is hashed once
void AppCache::note_label(const std::string& name) {
  if (!told_.contains(name) && !ahead_.contains(name)) by_label_[app_label(space_, name)] = name;
}

void AppCache::forget_label(const std::string& name) {
  if (!told_.contains(name) && !ahead_.contains(name)) by_label_.erase(app_label(space_, name));
}

void AppCache::drop_ahead(std::map<std::string, Ahead>::iterator at) {
  const std::string name = at->first;
  ahead_.erase(at);
  forget_label(name);
}

// A record as the watch has told it, or gone with it; a removal once its record is not told.
bool AppCache::is_overtaken(const std::string& name, const Ahead& ahead) const {
  if (ahead.version > version_) return false;
  if (ahead.record != nullptr) return true;
  const auto at = told_.find(name);
  return at == told_.end() || at->second.record->app.uid != ahead.uid;
}

void AppCache::learned(RecordPointer record) {
  const App& app = record->app;
  Ahead next{record, app.uid, app.resource_version};
  if (next.version <= version_) return;
  const auto at = ahead_.find(app.name);
  if (at != ahead_.end()) {
    const Ahead& known = at->second;
    // An answer that comes late.
    const bool is_gone = known.record == nullptr && known.uid == next.uid;
    if (is_gone || known.version >= next.version) return;
  }
  note_label(app.name);
  ahead_[app.name] = std::move(next);
}

void AppCache::learned_gone(const std::string& name, const std::string& uid, std::int64_t version) {
  const auto at = ahead_.find(name);
  if (at != ahead_.end() && at->second.uid != uid && at->second.version > version) return;
  Ahead next{nullptr, uid, version};
  if (is_overtaken(name, next)) {
    if (at != ahead_.end() && at->second.uid == uid) drop_ahead(at);
    return;
  }
  ahead_[name] = std::move(next);
}

RecordPointer AppCache::find(const std::string& name) const {
  if (const auto ahead = ahead_.find(name); ahead != ahead_.end()) return ahead->second.record;
  const auto told = told_.find(name);
  return told == told_.end() ? nullptr : told->second.record;
}

RecordPointer AppCache::find_by_label(const std::string& label) const {
  const auto name = by_label_.find(label);
  return name == by_label_.end() ? nullptr : find(name->second);
}

std::vector<RecordPointer> AppCache::all() const {
  std::vector<RecordPointer> all;
  all.reserve(told_.size() + ahead_.size());
  auto ahead = ahead_.begin();
  const auto add_ahead = [&] {
    if (ahead->second.record != nullptr) all.push_back(ahead->second.record);
    ++ahead;
  };
  for (const auto& [name, told] : told_) {
    while (ahead != ahead_.end() && ahead->first < name) add_ahead();
    if (ahead != ahead_.end() && ahead->first == name) {
      add_ahead();
    } else {
      all.push_back(told.record);
    }
  }
  while (ahead != ahead_.end()) add_ahead();
  return all;
}

std::optional<PlacedEvent> AppCache::first_after(WatchPosition position) const {
  const auto live = by_place_.upper_bound(position.live);
  const auto gone = gone_.upper_bound(position.gone);
  const bool has_live = live != by_place_.end();
  const bool has_gone = gone != gone_.end();
  if (has_gone && (!has_live || gone->first < live->first)) {
    return PlacedEvent{gone->first, {true, gone->second}};
  }
  if (has_live) return PlacedEvent{live->first, {false, told_.at(live->second).record->app}};
  return std::nullopt;
}

void AppCache::prune(std::int64_t known) {
  while (std::ssize(gone_) > kTombstonesKept && gone_.begin()->first <= known) {
    horizon_ = std::max(horizon_, gone_.begin()->first);
    gone_.erase(gone_.begin());
  }
}

}  // namespace vibed
