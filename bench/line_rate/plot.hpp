// Plots as SVG, to be put into an HTML page whose style sheet has the classes .axis .grid .text .s0 .s1
// .s2 (and .l0 .l1 .l2: marks and lines of the series). Every mark carries its value as a title, which
// browsers show on hover.
#pragma once

#include <string>
#include <vector>

namespace sluice::bench {

struct Bars {
    std::string title, unit;
    std::vector<std::string> series;  ///< at most two
    struct Group {
        std::string label;
        std::vector<double> values;  ///< one for each series
    };
    std::vector<Group> groups;
};
[[nodiscard]] std::string svg_of(const Bars& bars);

struct Lines {
    std::string title, x_unit, y_unit;
    bool logarithmic = false;  ///< y; what is not above zero is left out
    struct Point {
        double x, y;
    };
    struct Series {
        std::string name;
        std::vector<Point> points;
    };
    std::vector<Series> series;  ///< at most three
};
[[nodiscard]] std::string svg_of(const Lines& lines);

/// Text as HTML shows it literally.
[[nodiscard]] std::string escaped(const std::string& text);

/// Three significant digits, without an exponent.
[[nodiscard]] std::string short_number(double value);

}  // namespace sluice::bench
