// vibed: from a source tree to a live URL. All of it is in libvibed; here are its commands.
#include "commands.hpp"

int main(int argc, char** argv) {
  using namespace vibed::cli;
  const vibed::Program program{
      .name = "vibed",
      .summary = "From a folder of source to a live URL. Start with: vibed up",
      .commands = {up_command(), serve_command(), deploy_command(), ls_command(), logs_command(),
                   open_command(), rm_command(), suspend_command(), resume_command(),
                   rollback_command(), versions_command(), classify_command(), template_command(),
                   doctor_command(), version_command()}};
  return vibed::run_program(program, argc, argv);
}
