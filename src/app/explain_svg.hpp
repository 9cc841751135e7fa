// Stories as one self-contained SVG picture: a ladder for each TCP connection, one below the other.
#pragma once

#include <string>
#include <vector>

#include "app/explain_story.hpp"

namespace sluice::app {

/// Well-formed XML whatever the packets hold, without scripts, links or fonts to fetch; light or dark as the
/// viewer prefers. Flows that are not TCP are left out; a sentence stands for an empty picture.
[[nodiscard]] std::string svg_of(const std::vector<const Story*>& stories);

/// `text` with what XML reserves escaped, and what it does not allow replaced (XML 1.0 section 2.2).
[[nodiscard]] std::string xml_escaped(std::string_view text);

}  // namespace sluice::app
