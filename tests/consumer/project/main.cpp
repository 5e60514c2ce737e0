#include <iostream>

#include "vibed/archive.hpp"
#include "vibed/classifier.hpp"
#include "vibed/version.hpp"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  auto listing = vibed::list_directory(argv[1]);
  if (!listing) {
    std::cerr << listing.error().message << '\n';
    return 1;
  }
  std::cout << vibed::version() << ' ' << vibed::to_json(vibed::classify(*listing)) << '\n';
}
