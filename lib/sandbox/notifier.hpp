// Notifier tells one subscriber, on a thread of its own, which apps have changed.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>

namespace vibed::sandbox {

// Several changes of one app that nobody was told of yet are one call. Any thread.
class Notifier {
 public:
  Notifier();
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  void changed(const std::string& app);

  // When this returns, the subscriber before is not running and never will again (unless it is the
  // caller).
  void subscribe(std::function<void(const std::string& app)> on_change);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::function<void(const std::string&)> on_change_;  // guarded by mutex_
  std::set<std::string> dirty_;                        // guarded by mutex_
  bool calling_ = false;                               // guarded by mutex_
  bool stop_ = false;                                  // guarded by mutex_
  std::thread thread_;                                 // last: uses all of the above
};

}  // namespace vibed::sandbox
