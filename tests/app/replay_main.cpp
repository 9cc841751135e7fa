// `sluice replay` as a program of its own, for the tests that run it from outside.
#include "app/replay.hpp"

int main(int argc, char** argv) {
    return sluice::app::replay_main(argc, argv);
}
