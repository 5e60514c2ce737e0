// The metadata of a deploy, from anybody, is either within its limits or an error with a word.
#include <algorithm>

#include "service/service.hpp"
#include "support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using vibed::fuzz::fuzz_check;
  std::string_view text = vibed::fuzz::text_of(data, size);
  for (const char* default_name : {"", "app"}) {
    auto metadata = vibed::parse_deploy_metadata(text, default_name);
    if (!metadata) {
      fuzz_check(!metadata.error().reason.empty(), "an error has a word");
      fuzz_check(metadata.error().message.size() < 300, "a message repeats no input");
      continue;
    }
    fuzz_check(vibed::is_app_name(metadata->name), "the name is valid");
    fuzz_check(metadata->env.size() <= 256, "at most 256 variables");
    for (const vibed::EnvVar& var : metadata->env) {
      fuzz_check(!var.name.empty() && var.name.find('=') == std::string::npos, "a variable's name");
      fuzz_check(var.name.find('\0') == std::string::npos, "a name without NUL");
      fuzz_check(var.value.find('\0') == std::string::npos, "a value without NUL");
    }
    for (const std::string& host : metadata->allowed_hosts) {
      bool plain =
          std::all_of(host.begin(), host.end(), [](char c) { return c > ' ' && c != '/'; });
      fuzz_check(plain && !host.empty(), "a host's name");
    }
    fuzz_check(metadata->entrypoint.find('\n') == std::string::npos, "one line");
  }
  return 0;
}
