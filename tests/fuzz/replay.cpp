// Stands in for libFuzzer: runs the target once with every file of the folders it is given.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support.hpp"

int main(int argc, char** argv) {
  int inputs = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& file : std::filesystem::directory_iterator(argv[i])) {
      std::stringstream bytes;
      bytes << std::ifstream(file.path(), std::ios::binary).rdbuf();
      std::string input = bytes.str();
      std::printf("%s\n", file.path().filename().c_str());
      std::fflush(stdout);  // the last name printed is the one that aborted
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
      ++inputs;
    }
  }
  std::printf("%d inputs\n", inputs);
  return inputs > 0 ? 0 : 1;
}
