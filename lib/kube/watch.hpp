// The stream of a watch: one JSON object a line, cut anywhere on its way.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "kube/object.hpp"

namespace vibed::kube {

enum class EventType { added, modified, deleted, bookmark, error };

struct WatchEvent {
  EventType type = EventType::added;
  Json object;  // a Status if `error`; of a bookmark only the resourceVersion means something
};

// One line of the stream. `unavailable` if it is none.
Result<WatchEvent> parse_watch_event(std::string_view line);

class WatchParser {
 public:
  // What to do with an event; false ends the stream.
  using Sink = std::function<bool(WatchEvent)>;

  // Takes the next bytes and hands on each event they complete. False: the sink ended the stream.
  // `unavailable`: not a watch's stream; `resource_exhausted`: a line of more than 16 MiB.
  Result<bool> feed(std::string_view bytes, const Sink& sink);

 private:
  Result<bool> line(std::string_view text, const Sink& sink);

  std::string rest_;  // of a line that is not complete
};

}  // namespace vibed::kube
