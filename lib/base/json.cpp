// The instances of nlohmann/json that the precompiled headers announce.
#include "../cmake/json_instances.hpp"

template class nlohmann::basic_json<>;
template class nlohmann::detail::serializer<nlohmann::json>;
template class nlohmann::detail::lexer<nlohmann::json, nlohmann::detail::StringAdapter>;
template class nlohmann::detail::lexer<nlohmann::json, nlohmann::detail::ViewAdapter>;
template class nlohmann::detail::parser<nlohmann::json, nlohmann::detail::StringAdapter>;
template class nlohmann::detail::parser<nlohmann::json, nlohmann::detail::ViewAdapter>;
