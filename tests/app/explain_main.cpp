// `sluice explain` as a program of its own, for the tests that run it from outside.
#include "app/explain.hpp"

int main(int argc, char** argv) {
    return sluice::app::explain_main(argc, argv);
}
