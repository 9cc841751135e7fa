#!/usr/bin/env python3
"""Makes one page of a page, a style and a script, as C++: its text, and the policy that lets nothing else run in it.

usage: embed_page.py PAGE.html STYLE.css SCRIPT.js

The page has <link rel="stylesheet"> and <script src>, so that it works from its folder, too; here they become a
<style> and a <script>. The result goes to standard output.
"""

import base64
import hashlib
import pathlib
import sys

LINK, SCRIPT = '<link rel="stylesheet" href="style.css">', '<script src="script.js"></script>'


def allowed(text):
    """A source of Content-Security-Policy that is this text alone."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def literal(text):
    """As a raw string; it may not hold what ends it."""
    assert ')page"' not in text
    return f'R"page({text})page"'


def main():
    page, style, script = (pathlib.Path(path).read_text(encoding="utf-8") for path in sys.argv[1:])
    for mark, text, tag in ((LINK, style, "style"), (SCRIPT, script, "script")):
        assert page.count(mark) == 1 and f"</{tag}" not in text
        page = page.replace(mark, f"<{tag}>{text}</{tag}>")
    policy = (
        f"default-src 'none'; script-src {allowed(script)}; style-src {allowed(style)}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    print(f"constexpr char page_text[] = {literal(page)};")
    print(f"constexpr char page_policy[] = {literal(policy)};")


if __name__ == "__main__":
    main()
