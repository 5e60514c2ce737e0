// The files ~/.aws/config and ~/.aws/credentials as sections of keys and values. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace vibed::aws {

using Section = std::map<std::string, std::string>;

// Profiles by name. Lines that mean nothing are passed over, as AWS's own tools do; values nested
// below a key are left out.
using Profiles = std::map<std::string, Section>;

// Of the config file: "[default]" and "[profile NAME]"; other sections are not profiles.
Profiles parse_config_file(std::string_view text);

// Of the credentials file: every section is a profile.
Profiles parse_credentials_file(std::string_view text);

}  // namespace vibed::aws
