#include "app/signals.hpp"

#include <atomic>
#include <csignal>

namespace sluice::app {
namespace {

std::atomic<bool> stop{false};
std::atomic<bool> reload{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set in a signal handler");

void note(int signal) {
    (signal == SIGHUP ? reload : stop).store(true, std::memory_order_relaxed);
}

sigset_t ours() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
    return set;
}

}  // namespace

void keep_signals_from_this_thread() {
    const sigset_t set = ours();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void hold_signals_back() {
    keep_signals_from_this_thread();
    struct sigaction action {};
    action.sa_handler = note;  // without SA_RESTART: a signal ends the wait of the control thread's turn
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaction(signal, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
}

SignalsOpen::SignalsOpen() {
    const sigset_t set = ours();
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}
SignalsOpen::~SignalsOpen() {
    const sigset_t set = ours();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

bool asked_to_stop() {
    return stop.load(std::memory_order_relaxed);
}
bool asked_to_reload() {
    return reload.exchange(false, std::memory_order_relaxed);
}

}  // namespace sluice::app
