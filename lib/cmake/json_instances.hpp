// The instances of nlohmann/json that nearly every file would make for itself, made once in
// base/json.cpp: they cost two to three seconds of each file that parses.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace nlohmann::detail {

using StringAdapter = iterator_input_adapter<std::string::const_iterator>;
using ViewAdapter = iterator_input_adapter<std::string_view::const_iterator>;

}  // namespace nlohmann::detail

extern template class nlohmann::basic_json<>;
extern template class nlohmann::detail::serializer<nlohmann::json>;
extern template class nlohmann::detail::lexer<nlohmann::json, nlohmann::detail::StringAdapter>;
extern template class nlohmann::detail::lexer<nlohmann::json, nlohmann::detail::ViewAdapter>;
extern template class nlohmann::detail::parser<nlohmann::json, nlohmann::detail::StringAdapter>;
extern template class nlohmann::detail::parser<nlohmann::json, nlohmann::detail::ViewAdapter>;
