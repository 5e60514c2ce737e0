#include "service/sweep_sources.hpp"

#include <set>

#include "service/history.hpp"

namespace vibed {
namespace {

// A record of the Go system may name its source by the URL it once had, signed or not: the file in
// it is the source's key. Anything else is a key already.
std::string key_in(const std::string& source) {
  if (source.find("://") == std::string::npos) return source;
  const std::string path = source.substr(0, source.find_first_of("?#"));
  const std::string file = path.substr(path.rfind('/') + 1);
  return file.substr(0, file.rfind(".tar.gz"));
}

}  // namespace

Result<std::size_t> sweep_sources(AppStore& apps, SourceStore& sources,
                                  std::chrono::system_clock::time_point older_than) {
  // Sources first: whoever wrote a record since then stored its source before, or is not listed.
  auto stored = sources.list();
  if (!stored) return std::move(stored).error().during("sweep the sources");
  auto page = apps.list("", 0, 0);
  if (!page) return std::move(page).error().during("sweep the sources");
  if (std::ssize(page->items) != page->total) {
    return Error{Errc::internal, "sweep the sources: a record cannot be read"};
  }
  std::set<std::string> named;
  for (const App& app : page->items) {
    for (const std::string& key : source_keys(app)) named.insert(key_in(key));
  }
  std::size_t removed = 0;
  for (const StoredSource& source : *stored) {
    if (named.contains(source.key) || source.stored_at >= older_than) continue;
    if (Status done = sources.remove(source.key); !done) return std::move(done).error();
    ++removed;
  }
  return removed;
}

}  // namespace vibed
