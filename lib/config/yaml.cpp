#include "config/yaml.hpp"

#include <charconv>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "base/error_codes.hpp"
#include "config/yaml_node.hpp"

namespace vibed {
namespace {

// Walks the tree as if every alias were written out, which is what converting it costs.
Status check(const YAML::Node& node, int depth, std::size_t& nodes) {
  if (++nodes > kMaxYamlNodes) return error_at(node.Mark(), "too many values");
  if (depth > kMaxYamlDepth) return error_at(node.Mark(), "nested too deeply");
  if (node.IsSequence()) {
    for (const auto& each : node) {
      if (auto ok = check(each, depth + 1, nodes); !ok) return ok;
    }
  }
  if (!node.IsMap()) return success();
  std::set<std::string> keys;
  for (const auto& pair : node) {
    if (!pair.first.IsScalar()) return error_at(pair.first.Mark(), "a key must be a plain text");
    if (!keys.insert(pair.first.Scalar()).second) {
      return error_at(pair.first.Mark(), "the key " + pair.first.Scalar() + " is there twice");
    }
    if (auto ok = check(pair.second, depth + 1, nodes); !ok) return ok;
  }
  return success();
}

template <class Number>
bool parse_whole(std::string_view text, Number& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// "~" is null, "1e3" a number, "yes" a text, as YAML 1.2 has it.
nlohmann::json plain_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    return nullptr;
  }
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  if (std::int64_t whole = 0; parse_whole(digits, whole)) return whole;
  bool number = digits.find_first_not_of("0123456789.eE+-") == std::string_view::npos &&
                digits.find_first_of("0123456789") != std::string_view::npos;
  if (double real = 0; number && parse_whole(digits, real)) return real;
  return text;
}

nlohmann::json convert(const YAML::Node& node) {
  if (node.IsScalar()) {
    bool quoted = node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str";
    return quoted ? nlohmann::json(node.Scalar()) : plain_scalar(node.Scalar());
  }
  if (node.IsSequence()) {
    auto list = nlohmann::json::array();
    for (const auto& each : node) list.push_back(convert(each));
    return list;
  }
  if (!node.IsMap()) return nullptr;
  auto object = nlohmann::json::object();
  for (const auto& pair : node) object[pair.first.Scalar()] = convert(pair.second);
  return object;
}

}  // namespace

Error error_at(const YAML::Mark& mark, const std::string& message) {
  // yaml-cpp counts from 0, and gives -1 where it does not know.
  std::string where = mark.line < 0 ? "" : "line " + std::to_string(mark.line + 1) + ": ";
  return make_error("bad_config", where + message);
}

Result<YAML::Node> parse_yaml(std::string_view text) {
  if (text.size() > kMaxYamlBytes) return make_error("bad_config", "longer than 1 MiB");
  try {
    YAML::Node root = YAML::Load(std::string(text));
    std::size_t nodes = 0;
    if (auto ok = check(root, 0, nodes); !ok) return std::move(ok).error();
    return root;
  } catch (const YAML::Exception& error) {
    return error_at(error.mark, error.msg);
  } catch (const std::exception& error) {
    return make_error("bad_config", std::string("not YAML: ") + error.what());
  }
}

Result<nlohmann::json> yaml_to_json(std::string_view text) {
  auto root = parse_yaml(text);
  if (!root) return std::move(root).error();
  return convert(*root);
}

}  // namespace vibed
