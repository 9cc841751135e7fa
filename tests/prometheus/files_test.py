#!/usr/bin/python3
"""The files for Prometheus and Grafana: they ask for metrics that there are, Prometheus's own tool finds no fault with
them or with the page of metrics, and each alert fires when it should.

    files_test.py SOURCE-ROOT METRICS-TEST

What needs promtool (Debian's package prometheus) is skipped, with a word, where it is missing.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT, METRICS_TEST = sys.argv[1:]
RULES = os.path.join(ROOT, "config/prometheus/sluice.rules.yml")
SUFFIX = re.compile(r"_(bucket|sum|count)$")
NAME = re.compile(r"\bsluice_\w+")


def content(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def documented():
    """Names and types by docs/metrics.md."""
    return dict(re.findall(r"^\| `(sluice_\w+)` \| (\w+) \|", content("docs/metrics.md"), re.MULTILINE))


def queries():
    """Every query of the dashboard."""
    dashboard = json.loads(content("config/grafana/sluice.json"))
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]


class Names(unittest.TestCase):
    def check(self, text):
        there = documented()
        names = NAME.findall(text)
        self.assertTrue(names)
        for name in names:
            base = SUFFIX.sub("", name)
            self.assertTrue(name in there or there.get(base) == "histogram", f"there is no metric {name}")

    def test_of_the_alerts_exist(self):
        self.check(re.sub(r"annotations:.*?(?=\n      - |\Z)", "", content("config/prometheus/sluice.rules.yml"), flags=re.DOTALL))

    def test_of_the_dashboard_exist(self):
        self.assertGreater(len(queries()), 30)
        for query in queries():
            if not query.startswith("up{"):
                self.check(query)

    def test_of_the_alerts_are_in_the_documentation(self):
        alerts = re.findall(r"- alert: (\w+)", content("config/prometheus/sluice.rules.yml"))
        self.assertGreater(len(alerts), 10)
        for alert in alerts:
            self.assertIn(f"| `{alert}` |", content("docs/metrics.md"))
            self.assertIn(f"alertname: {alert}", content("tests/prometheus/rules_test.yml"), f"{alert} is not tried")


@unittest.skipUnless(shutil.which("promtool"), "promtool is not there: it comes with Debian's package prometheus")
class Promtool(unittest.TestCase):
    def promtool(self, *arguments, page=None):
        done = subprocess.run(
            ["promtool", *arguments], stdin=page or subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_finds_the_rules_right(self):
        self.assertIn("SUCCESS", self.promtool("check", "rules", RULES))

    def test_finds_the_configuration_right(self):
        self.promtool("check", "config", os.path.join(ROOT, "config/prometheus/prometheus.yml"))

    def test_sees_each_alert_fire_and_be_silent(self):
        self.promtool("test", "rules", os.path.join(ROOT, "tests/prometheus/rules_test.yml"))

    def test_finds_the_page_of_metrics_right(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "page")
            subprocess.run(
                [METRICS_TEST, "--gtest_filter=Metrics.CanBePrinted"],
                env={**os.environ, "SLUICE_PRINT_METRICS": path}, stdout=subprocess.DEVNULL, check=True,
            )  # fmt: skip
            with open(path, encoding="utf-8") as page:
                self.assertEqual(self.promtool("check", "metrics", page=page), "")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
