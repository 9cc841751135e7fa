#include "sluice/control/web_page.hpp"

#include "web_page.inc"  // made by packaging/embed_page.py: page_text, page_policy

namespace sluice::control {

HttpSite web_site(
    std::function<std::string(std::string_view since)> state) {  // NOLINT(performance-*): it is moved from
    return {
        .readers = "browsers",
        .elsewhere = "the page is at /",
        .pages = {{"/", "text/html; charset=utf-8", [](std::string_view) { return std::string(page_text); }},
                  {"/api/state", "application/json", std::move(state), true}},
        // Nothing but the page's own script and style runs in it, and no other page may have it or its
        // numbers in it.
        .headers = {{"Content-Security-Policy", page_policy},
                    {"Cross-Origin-Resource-Policy", "same-origin"},
                    {"Cross-Origin-Opener-Policy", "same-origin"},
                    {"X-Content-Type-Options", "nosniff"},
                    {"X-Frame-Options", "DENY"},
                    {"Referrer-Policy", "no-referrer"},
                    {"Cache-Control", "no-store"}},
        .by_address_alone = true};
}

}  // namespace sluice::control
