"""The web page in a real browser: what it shows is what was counted, in light and dark, on a phone and on a desk."""

import os
import urllib.error
import urllib.request

from metrics import exchange, forged, own
from rig.browser import Browser
from rig.process import expect, wait_until

PORT = 9478
# What the page shows under an identity, and what `sluice stats` calls it.
SHOWN = {"total-packets": "packets", "total-bytes": "bytes", "total-inserted": "insert", "total-dropped": "dropped"}


def flows_in_all(middle):
    return int(middle.sluice("-C", quiet=True).stdout)


@own("the web page shows in Chromium what was counted, light and dark, at 360 and at 1400 pixels")
def page(context):
    with context.rig() as rig:
        middle = context.sluiced(rig, extra=f'[web]\nlisten = "127.0.0.1:{PORT}"\n')
        rig.start_middle(middle)
        rig.between.run("ip", "link", "set", "lo", "up", quiet=True)
        with Browser(rig.between.argv, rig.folder) as browser:
            browser.look(1400)
            browser.go(f"http://127.0.0.1:{PORT}/")
            exchange(rig, 0.5)
            forged(rig, 7)

            def value(identity):
                return browser.evaluate(f"document.getElementById('{identity}').value")

            def agrees():
                """What does not, once traffic has come to rest; nothing when all does."""
                counted = middle.statistics()
                wrong = {key: (value(key), counted[name]) for key, name in SHOWN.items() if value(key) != str(counted[name])}
                rig.transcript.note(f"shown and counted, where they differ: {wrong}")
                return not wrong

            wait_until(agrees, "the page's numbers are those of sluice stats", 8, every=0.3)
            expect(value("total-dropped") >= "7", "the forged segments are among them")
            expect(value("now-flows") == str(flows_in_all(middle)), "so are the flows in the tables")
            reason = "[data-key=no-connection]"
            expect(browser.evaluate(f"document.querySelector('{reason} td:last-child data').value") == "7", "the reason is in its row")
            expect("TCP" in browser.evaluate("document.getElementById('census').innerText"), "flows are shown by protocol")
            lines = browser.evaluate("[...document.querySelectorAll('#plots svg')].map((svg) => svg.querySelectorAll('.line').length)")
            expect(len(lines) == 6 and all(lines), f"every plot has a line: {lines}")

            papers = set()
            for width in (1400, 360):
                for dark in (False, True):
                    browser.look(width, dark=dark)
                    wide = browser.evaluate("document.documentElement.scrollWidth")
                    expect(wide <= width, f"at {width} pixels nothing is to be scrolled sideways: {wide}")
                    beyond = browser.evaluate(
                        "[...document.querySelectorAll('main *')].filter((e) => !e.closest('.unseen') && "
                        f"e.getBoundingClientRect().right > {width}).map((e) => e.outerHTML.slice(0, 80))"
                    )
                    expect(not beyond, f"at {width} pixels nothing sticks out: {beyond}")
                    papers.add(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
                    if os.environ.get("SLUICE_SCREENSHOTS"):
                        name = f"web-{width}-{'dark' if dark else 'light'}.png"
                        browser.screenshot(os.path.join(os.environ["SLUICE_SCREENSHOTS"], name))
            expect(len(papers) == 2, f"light and dark look different: {papers}")
            browser.evaluate("document.getElementById('theme').click()")
            expect("light" in browser.evaluate("document.getElementById('theme').textContent"), "the theme can be chosen")

            expect(not browser.complaints(), f"the page does nothing that its policy forbids: {browser.complaints()}")
            elsewhere = [url for url in browser.requests() if not url.startswith((f"http://127.0.0.1:{PORT}/", "data:"))]
            expect(not elsewhere, f"it asks nobody else for anything: {elsewhere}")

            with rig.between:
                asked = urllib.request.Request(f"http://127.0.0.1:{PORT}/", headers={"Host": "rebound.example"})
                try:
                    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=5)
                    status = 200
                except urllib.error.HTTPError as refused:
                    status = refused.code
            expect(status == 421, f"a name that somebody else may own is not answered: {status}")

            expect(middle.stop() == 0, "the daemon stops with status 0")
            browser.ask("Emulation.setVirtualTimePolicy", policy="advance", budget=6000)
            wait_until(lambda: browser.evaluate("document.body.className") == "stale", "what is old looks old", 6)
            expect("Connection lost" in browser.evaluate("document.getElementById('status').innerText"), "and the page says so")
