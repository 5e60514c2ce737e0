#include "support/temp_dir.hpp"

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>

namespace vibed::testing {

// Short paths: unix sockets are made in here.
TempDir::TempDir() {
  char name[] = "/tmp/vibed-XXXXXX";
  if (::mkdtemp(name) == nullptr) std::abort();
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace vibed::testing
