// A story laid out: as a table, as a ladder in text, as JSON lines. (As an SVG: explain_svg.hpp.)
#pragma once

#include <string>

#include "app/explain_story.hpp"

namespace sluice::app {

/// The characters drawings are made of.
struct TextStyle {
    bool unicode = false;  ///< box drawing; else ASCII
};

/// The head, the transitions of a TCP connection, and a row for each packet.
void append_table(std::string& out, const Story& story, const TextStyle& style);

/// A on the left, B on the right, an arrow for each packet, states in the margins as they change. Nothing for
/// a flow that is not TCP.
void append_ladder(std::string& out, const Story& story, const TextStyle& style);

/// The same as JSON, an object a line: the flow, its packets and folds, its end (docs/explain.md).
void append_story_json(std::string& out, const Story& story);

}  // namespace sluice::app
