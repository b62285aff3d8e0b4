// Ctrl-C asks a run to stop at the next step instead of ending the process.
#pragma once

#include <csignal>

namespace program {

inline volatile std::sig_atomic_t interrupted = 0;

inline void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = [](int signal) {
    if (interrupted) {  // the second time ends at once
      std::signal(signal, SIG_DFL);
      std::raise(signal);
    }
    interrupted = 1;
  };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace program
