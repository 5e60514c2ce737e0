// What a name in an archive may look like.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "vibed/result.hpp"

namespace vibed::archive {

constexpr std::size_t kNameMax = 255;  // of one part of a path, as every Linux file system has it

// `raw` without "./", doubled and trailing slashes; empty for the root itself. Fails with
// unsafe_archive for an absolute path, a ".." part, a control character or what is not UTF-8, with
// archive_too_large past `limit` bytes or kNameMax in one part.
Result<std::string> clean_path(std::string_view raw, std::size_t limit);

// Checks the text of a symbolic link: not empty, not absolute, no control character, UTF-8, not
// longer than `limit`. Whether it stays inside is seen when the whole tree is known.
Status check_link_text(std::string_view path, std::string_view target, std::size_t limit);

// What macOS leaves in archives and folders: "._x", ".DS_Store", "__MACOSX", "Icon\r", as any part.
bool is_cruft(std::string_view path);

// `text` as a message may show it: control characters and broken UTF-8 escaped, long ones cut.
std::string shown(std::string_view text);

// unsafe_archive: the entry `path`, and what is wrong with it.
Error unsafe(std::string_view path, std::string_view why);

// The path's folder, or empty.
std::string_view parent_of(std::string_view path);

}  // namespace vibed::archive
