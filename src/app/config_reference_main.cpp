// Prints a text made from the table of configuration keys: config_reference toml | markdown.
#include <string_view>

#include "app/configuration_reference.hpp"
#include "app/output.hpp"

int main(int argc, char** argv) {
    const std::string_view what = argc == 2 ? argv[1] : "";
    if (what == "toml") {
        sluice::app::print(sluice::app::reference_toml());
    } else if (what == "markdown") {
        sluice::app::print(sluice::app::reference_markdown());
    } else {
        sluice::app::print_error("usage: config_reference toml|markdown\n");
        return 2;
    }
    return sluice::app::output_written("config_reference") ? 0 : 1;
}
