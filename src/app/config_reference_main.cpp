// Prints a text made from the table of configuration keys: config_reference toml | markdown.
#include <iostream>
#include <string_view>

#include "app/configuration_reference.hpp"

int main(int argc, char** argv) {
    const std::string_view what = argc == 2 ? argv[1] : "";
    if (what == "toml") {
        std::cout << sluice::app::reference_toml();
    } else if (what == "markdown") {
        std::cout << sluice::app::reference_markdown();
    } else {
        std::cerr << "usage: config_reference toml|markdown\n";
        return 2;
    }
    return 0;
}
