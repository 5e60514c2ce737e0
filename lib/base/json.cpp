// The instances of nlohmann/json that the precompiled headers announce (cmake/json_instances.hpp).
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

using nlohmann::json;
using nlohmann::detail::iterator_input_adapter;

template class nlohmann::basic_json<>;
template class nlohmann::detail::serializer<json>;
template class nlohmann::detail::lexer<json, iterator_input_adapter<std::string::const_iterator>>;
template class nlohmann::detail::lexer<json,
                                       iterator_input_adapter<std::string_view::const_iterator>>;
template class nlohmann::detail::parser<json, iterator_input_adapter<std::string::const_iterator>>;
template class nlohmann::detail::parser<json,
                                        iterator_input_adapter<std::string_view::const_iterator>>;
