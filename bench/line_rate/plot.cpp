#include "line_rate/plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace sluice::bench {
namespace {

// Pixels: the picture, and the field inside it.
constexpr double width = 720, height = 300, left = 70, right = 700, top = 44, bottom = 250;

/// A round number not below `value`.
double round_up(double value) {
    if (value <= 0) return 1;
    const double unit = std::pow(10, std::floor(std::log10(value)));
    for (const double step : {1.0, 2.0, 2.5, 5.0}) {
        if (step * unit >= value) return step * unit;
    }
    return 10 * unit;
}

std::string text(double x, double y, const char* anchor, const std::string& what) {
    return fmt::format("<text class=\"text\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y,
                       anchor, escaped(what));
}

/// Title, legend, axes.
std::string frame_of(const std::string& title, const std::string& unit,
                     const std::vector<std::string>& series) {
    std::string out = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", width,
                                  height, escaped(title));
    out += text(left, 16, "start", title + " (" + unit + ")");
    double x = right;
    for (std::size_t i = series.size(); i-- > 0;) {
        x -= 9.0 * static_cast<double>(series[i].size()) + 30;
        out += fmt::format("<rect class=\"s{}\" x=\"{}\" y=\"24\" width=\"10\" height=\"10\"/>\n", i, x);
        out += text(x + 15, 33, "start", series[i]);
    }
    out += fmt::format("<path class=\"axis\" d=\"M{0} {1}V{2}H{3}\"/>\n", left, top, bottom, right);
    return out;
}

/// From a value to where it lies between bottom and top.
struct Scale {
    double least, most;
    bool logarithmic;
    [[nodiscard]] double at(double value) const {
        const double part =
            logarithmic ? (std::log10(value) - std::log10(least)) / (std::log10(most) - std::log10(least))
                        : (value - least) / (most - least);
        return bottom - part * (bottom - top);
    }
    [[nodiscard]] std::string grid() const {
        std::string out;
        const auto draw = [&](double value) {
            out += fmt::format("<path class=\"grid\" d=\"M{} {:.1f}H{}\"/>\n", left, at(value), right);
            out += text(left - 6, at(value) + 4, "end", short_number(value));
        };
        if (logarithmic) {
            for (double value = least; value <= most * 1.001; value *= 10) draw(value);
        } else {
            for (int i = 0; i <= 4; ++i) draw(least + (most - least) * i / 4);
        }
        return out;
    }
};

Scale scale_of(const Lines& lines) {
    double least = INFINITY, most = 0;
    for (const auto& series : lines.series) {
        for (const auto& point : series.points) {
            most = std::max(most, point.y);
            if (point.y > 0) least = std::min(least, point.y);
        }
    }
    if (!lines.logarithmic || most <= 0) return {0, round_up(most), false};
    return {std::pow(10, std::floor(std::log10(least))), std::pow(10, std::floor(std::log10(most)) + 1),
            true};
}

}  // namespace

std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

std::string short_number(double value) {
    if (value == 0) return "0";
    const double size = std::abs(value);
    const int decimals = size >= 100 ? 0 : std::min(6, 2 - static_cast<int>(std::floor(std::log10(size))));
    std::string out = fmt::format("{:.{}f}", value, decimals);
    if (out.find('.') != std::string::npos) {
        out.erase(out.find_last_not_of('0') + 1);
        if (out.back() == '.') out.pop_back();
    }
    return out;
}

std::string svg_of(const Bars& bars) {
    double most = 0;
    for (const auto& group : bars.groups) {
        for (const double value : group.values) most = std::max(most, value);
    }
    const Scale scale{0, round_up(most), false};
    std::string out = frame_of(bars.title, bars.unit, bars.series) + scale.grid();
    const double room = (right - left) / static_cast<double>(std::max<std::size_t>(bars.groups.size(), 1));
    const double bar =
        std::min(60.0, room * 0.8 / static_cast<double>(std::max<std::size_t>(bars.series.size(), 1)));
    for (std::size_t g = 0; g < bars.groups.size(); ++g) {
        const auto& group = bars.groups[g];
        const double middle = left + room * (static_cast<double>(g) + 0.5);
        double x = middle - bar * static_cast<double>(group.values.size()) / 2;
        for (std::size_t i = 0; i < group.values.size(); ++i, x += bar) {
            const double y = scale.at(group.values[i]);
            out += fmt::format(
                "<rect class=\"s{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" "
                "height=\"{:.1f}\"><title>{}</title></rect>\n",
                i, x, y, bar - 2, bottom - y, short_number(group.values[i]) + " " + escaped(bars.unit));
        }
        out += text(middle, bottom + 16, "middle", group.label);
    }
    return out + "</svg>\n";
}

std::string svg_of(const Lines& lines) {
    std::vector<std::string> names;
    double widest = 0;
    for (const auto& series : lines.series) {
        names.push_back(series.name);
        for (const auto& point : series.points) widest = std::max(widest, point.x);
    }
    widest = round_up(widest);
    const Scale scale = scale_of(lines);
    std::string out = frame_of(lines.title, lines.y_unit, names) + scale.grid();
    const auto x_of = [&](double x) { return left + (right - left) * x / widest; };
    for (int i = 0; i <= 4; ++i)
        out += text(x_of(widest * i / 4), bottom + 16, "middle", short_number(widest * i / 4));
    out += text((left + right) / 2, bottom + 36, "middle", lines.x_unit);
    for (std::size_t i = 0; i < lines.series.size(); ++i) {
        std::string path, marks;
        for (const auto& point : lines.series[i].points) {
            if (lines.logarithmic && point.y <= 0) continue;
            const double x = x_of(point.x), y = scale.at(point.y);
            path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x, y);
            marks += fmt::format(
                "<circle class=\"s{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\"><title>{}, "
                "{}</title></circle>\n",
                i, x, y, short_number(point.x), short_number(point.y));
        }
        out += fmt::format("<path class=\"l{}\" d=\"{}\"/>\n", i, path) + marks;
    }
    return out + "</svg>\n";
}

}  // namespace sluice::bench
