// vibed.yaml from anywhere is a Config or an error, never anything else.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "config/yaml.hpp"
#include "vibed/config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> ignored;
  auto config = vibed::parse_config(text, &ignored);
  if (!config && config.error().message.empty()) __builtin_trap();
  auto json = vibed::yaml_to_json(text);
  if (json) (void)json->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return 0;
}
