// vibed.yaml from anywhere is a Config or an error that says what is wrong.
#include <nlohmann/json.hpp>

#include "config/yaml.hpp"
#include "support.hpp"
#include "vibed/config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = vibed::fuzz::text_of(data, size);
  std::vector<std::string> ignored;
  auto config = vibed::parse_config(text, &ignored);
  vibed::fuzz::fuzz_check(config || !config.error().message.empty(), "an error has a message");
  auto json = vibed::yaml_to_json(text);
  if (json) (void)json->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return 0;
}
