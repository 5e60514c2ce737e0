// The commands of `vibed`, each in a file of its name.
#pragma once

#include "vibed/program.hpp"

namespace vibed::cli {

Command up_command();
Command serve_command();
Command deploy_command();
Command ls_command();
Command logs_command();
Command open_command();
Command rm_command();
Command suspend_command();
Command resume_command();
Command rollback_command();
Command versions_command();
Command classify_command();
Command template_command();
Command doctor_command();
Command version_command();

}  // namespace vibed::cli
