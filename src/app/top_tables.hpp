// The tables of `sluice top`: a reading as rows of text that can be sorted and filtered.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/top_screen.hpp"

namespace sluice::app {

struct TopColumn {
    std::string_view title;
    std::size_t width;   ///< at least
    bool number = true;  ///< stands at the right, and the largest is first
    bool takes_rest = false;
};

struct TopTable {
    struct Row {
        std::vector<std::string> cells;  ///< by column
        std::vector<double> numbers;     ///< by column, to sort by; of texts 0
        Style style = Style::plain;
    };
    std::vector<TopColumn> columns;
    std::vector<Row> rows;
    std::size_t sorted_by = 0;
    std::string_view empty;  ///< said when there is no row
};

/// The table of a page, filtered and sorted; of the overview, which has none, that of the sources.
[[nodiscard]] TopTable table_of(Page page, const TopState& state, const TopView& view);

}  // namespace sluice::app
