#include <cstdio>

#include "cli/program.h"
#include "cli/signals.h"

int main(int argc, char** argv) {
  blkrewind::cli::occupy_standard_streams();
  blkrewind::cli::install_signal_handlers();
  return blkrewind::cli::run_program({argv + (argc > 0 ? 1 : 0), argv + argc}, stdout, stderr);
}
