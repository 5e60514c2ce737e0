// What people see: colours, tables, a line that shows progress.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vibed/program.hpp"

namespace vibed::cli {

// Whether the stream `fd` is a terminal that a person looks at.
bool is_terminal(int fd);

enum class Colour { red, green, yellow, bold, dim };

// `text` in that colour on the terminal `fd`; plain when it is none or NO_COLOR is set.
std::string coloured(const Invocation& invocation, int fd, Colour colour, const std::string& text);

// Prints rows under their headings, columns aligned, to standard output.
void print_table(const std::vector<std::string>& headings,
                 const std::vector<std::vector<std::string>>& rows);

std::string size_text(std::uint64_t bytes);  // "1.4 MB"

// One line of standard error that is written anew on a terminal, and a line for each thing told
// elsewhere.
class ProgressLine {
 public:
  explicit ProgressLine(bool quiet) : quiet_(quiet), terminal_(is_terminal(2)) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Something that goes on: shown on a terminal only.
  void show(const std::string& text);
  void bar(const std::string& what, std::uint64_t done, std::uint64_t total);
  // Something that is done: stays.
  void tell(const std::string& text);
  void clear();

 private:
  bool quiet_;
  bool terminal_;
  bool shown_ = false;
};

}  // namespace vibed::cli
