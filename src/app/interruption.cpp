#include "app/interruption.hpp"

#include <csignal>
#include <initializer_list>

namespace sluice::app {
namespace {

volatile std::sig_atomic_t asked_to_stop = 0;

}  // namespace

void listen_for_interruption() {
    struct sigaction action {};
    action.sa_handler = [](int) { asked_to_stop = 1; };
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
    for (const int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
}

bool was_interrupted() {
    return asked_to_stop != 0;
}

}  // namespace sluice::app
