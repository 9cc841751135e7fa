#!/usr/bin/env python3
"""`line_rate` as a program: what its JSON holds, that its counts add up, that its traffic is accepted, and what it says of
wrong arguments. Short runs on whatever machine this is: no figure is asserted, only what must hold of every figure.

usage: line_rate_test.py LINE_RATE
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM = sys.argv.pop(1)


def run(*arguments, status=0, processors=None):
    argv = [PROGRAM, *map(str, arguments)]
    pin = (lambda: os.sched_setaffinity(0, processors)) if processors else None
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, preexec_fn=pin)
    assert done.returncode == status, (argv, done.returncode, done.stdout, done.stderr)
    return done


def measure(*arguments, seconds=0.02, **more):
    return json.loads(run("--json", "--seconds", seconds, *arguments, **more).stdout)


class Measured(unittest.TestCase):
    def check_figure(self, figure):
        self.assertGreaterEqual(figure["packets_per_second_out"], 0)
        self.assertEqual(figure["void"], bool(figure["void_because"]))
        if "turns_counted" in figure:  # in turns: what a packet waits for says nothing
            self.assertNotIn("latency_ns", figure)
            return
        latency = figure["latency_ns"]
        percentiles = [latency[name] for name in ("p50", "p90", "p99", "p99.9", "max")]
        self.assertEqual(percentiles, sorted(percentiles))
        if figure["asked_packets_per_second"] == 0 and not figure["saturated"]:
            self.assertTrue(figure["void"], "an unsaturated worker's figure must not count")

    def check(self, report):
        for measurement in report["measurements"]:
            figures = [measurement[kind] for kind in ("tracker", "plain_forwarding", "defended") if kind in measurement]
            for figure in figures:
                self.check_figure(figure)
            self.assertEqual(measurement["void"], any(figure["void"] for figure in figures))
        totals = report["totals"]
        self.assertGreater(totals["out"], 0)
        self.assertEqual(totals["offered"], totals["in"] + totals["missed"])
        # What the box made itself and could not send may be among the dropped.
        self.assertLessEqual(totals["in"], totals["out"] + totals["dropped"] + totals["answered"])
        self.assertLessEqual(totals["out"] + totals["dropped"] + totals["answered"] - totals["in"],
                             totals["emitted"] - totals["emitted_out"])
        self.assertEqual(totals["unexplained"], 0)
        if report["conditions"]["profile"] != "synflood":
            self.assertEqual(totals["in"], totals["out"] + totals["dropped"])
            self.assertEqual(totals["lost"], totals["missed"] + totals["dropped"])
            self.assertEqual(totals["refused"], 0)
        self.assertLessEqual(totals["tolerated"], totals["segments_sent_again"])
        self.assertEqual(totals["dropped"], sum(totals["reasons"].values()) - totals["tolerated"])
        self.assertEqual(totals["handed_over"], 0, "each worker must get its own flows")
        self.assertTrue(report["accepted"])

    def test_established_traffic_is_accepted_and_every_packet_accounted_for(self):
        report = measure("--flows", 1000)
        self.check(report)
        self.assertEqual(report["concurrent_connections"]["opened"], 1000)
        self.assertEqual(report["concurrent_connections"]["tracked_afterwards"], 1000)
        self.assertEqual(report["conditions"]["profile"], "established")
        self.assertEqual(report["totals"]["flows_inserted"], 1000)
        for field in ("packets_per_second_in", "packets_per_second_out", "loss", "latency_ns", "saturated", "void",
                      "plain_forwarding", "ratio"):
            self.assertIn(field, report)
        self.assertGreater(report["latency_ns"]["samples"], 0)
        self.assertAlmostEqual(report["ratio"], report["packets_per_second_out"]
                               / report["plain_forwarding"]["packets_per_second_out"], delta=0.002)

    def check_in_turns(self, report):
        self.check(report)
        self.assertTrue(report["conditions"]["in_turns"])
        self.assertFalse(report["conditions"]["processors_shared"])
        self.assertEqual(report["conditions"]["worker_processors"], report["conditions"]["generator_processors"])
        self.assertEqual(len(report["measurements"]), 1)
        for figure in report["measurements"][0]["tracker"], report["measurements"][0]["plain_forwarding"]:
            self.assertTrue(figure["saturated"])
            self.assertGreater(figure["packets_per_second_out"], 0)
            self.assertEqual(figure["missed"] + figure["dropped"], 0, "what the queues hold comes out of the box")
            self.assertEqual(figure["void"], figure["turns_counted"] < 0.5, "nothing else makes such a figure void")
        spread = report["ratio_of_rounds"]
        self.assertGreater(spread["least"], 0)
        self.assertEqual([spread["least"], spread["median"], spread["most"]], sorted(spread.values()))

    def test_in_turns_one_processor_does_and_every_burst_is_full_but_the_last(self):
        report = measure("--in-turns", "--flows", 1000, seconds=0.06, processors={min(os.sched_getaffinity(0))})
        self.check_in_turns(report)
        tracker = report["measurements"][0]["tracker"]
        self.assertEqual(report["concurrent_connections"]["tracked_afterwards"], 1000)
        self.assertEqual(len(tracker["rounds"]), 3)
        # 32 bursts of each queue of 1,024, and the poll that finds them empty.
        for figure in tracker, report["plain_forwarding"]:
            self.assertAlmostEqual(figure["burst_fill"], 32 / 33, delta=0.002)
        self.assertIn("turns on one thread", " ".join(report["notes"]))

    def test_in_turns_imix_and_whole_connections(self):
        self.check_in_turns(measure("--in-turns", "--profile", "imix", "--flows", 1000))
        report = measure("--in-turns", "--profile", "setup", "--flows", 2000, "--table", 1 << 20, seconds=0.1)
        self.check_in_turns(report)
        self.assertGreater(report["connections_per_second"], 0)
        self.assertGreater(report["totals"]["flows_inserted"], 2000)

    def test_in_turns_a_defending_box_beside_one_that_does_not(self):
        report = measure("--in-turns", "--profile", "synflood", "--flows", 1000, "--defence", "cookies", seconds=0.04)
        self.check(report)
        quiet, *flooded = report["measurements"]
        for kind in "tracker", "plain_forwarding", "defended":
            self.assertGreater(quiet[kind]["connections_per_second"], 0)
            rates = [step[kind]["flood"]["packets_per_second_in"] for step in flooded]
            self.assertGreater(min(rates), 0)
            self.assertEqual(sum(step[kind]["missed"] for step in report["measurements"]), 0)
        for step in flooded:
            self.assertEqual(step["defended"]["flood"]["packets_per_second_out"], 0)
            self.assertGreater(step["defended"]["flood"]["answered_per_second"], 0)
        self.assertEqual(report["totals"]["emitted"], report["totals"]["emitted_out"])
        self.assertNotIn("tx-full", report["totals"]["reasons"], "what the queues hold comes out of the box")

    def test_in_turns_a_figure_is_void_when_the_thread_lost_its_processor_most_of_the_time(self):
        # Turns of milliseconds: none passes without the other process having had its share.
        processor = {min(os.sched_getaffinity(0))}
        with subprocess.Popen([sys.executable, "-c", "while True: pass"],
                              preexec_fn=lambda: os.sched_setaffinity(0, processor)) as other:
            try:
                report = measure("--in-turns", "--flows", 1000, "--ring-slots", 32768, processors=processor)
            finally:
                other.kill()
        self.check_in_turns(report)
        self.assertTrue(report["void"])

    def test_each_of_two_workers_gets_its_own_flows(self):
        report = measure("--flows", 5000, "--workers", 2)
        self.check(report)
        self.assertEqual(report["concurrent_connections"]["tracked_afterwards"], 5000)

    def test_on_one_processor_every_figure_is_void(self):
        report = measure("--flows", 100, processors={min(os.sched_getaffinity(0))})
        self.check(report)
        self.assertTrue(report["conditions"]["processors_shared"])
        self.assertTrue(report["void"])
        self.assertIn("generator and worker share a processor", report["void_because"])

    def test_whole_connections_come_and_go(self):
        # Closed ones stay for a second: room for all of a quick machine. In a full table half-open ones have to go.
        report = measure("--profile", "setup", "--flows", 2000, "--table", 1 << 20, seconds=0.1)
        self.check(report)
        self.assertGreater(report["connections_per_second"], 0)
        self.assertGreater(report["totals"]["flows_inserted"], 2000, "connections begin anew with other ends")

    def test_imix_has_the_frames_of_imix(self):
        report = measure("--profile", "imix", "--flows", 1000)
        self.check(report)
        flat_out = report["measurements"][0]["tracker"]
        if len(flat_out["rounds"]) == 1:
            on_the_wire = flat_out["gigabits_per_second"] * 1e9 / 8 / flat_out["packets_per_second_out"]
            self.assertAlmostEqual(on_the_wire, (7 * 64 + 4 * 594 + 1518) / 12 + 20, delta=25)

    def test_a_flood_is_told_apart_from_the_established_traffic(self):
        report = measure("--profile", "synflood", "--flows", 1000, "--rate", 20000)
        self.check(report)
        self.assertNotIn("flood", report["measurements"][0]["tracker"])
        self.assertGreater(report["measurements"][-1]["tracker"]["flood"]["packets_per_second_out"], 0)
        self.assertGreater(report["totals"]["flows_inserted"], 1000)

    def flooded(self, *arguments, **more):
        report = measure("--profile", "synflood", "--flows", 1000, "--rate", 100000, *arguments, **more)
        self.check(report)
        rates = [step["tracker"].get("flood", {"asked_packets_per_second": 0})["asked_packets_per_second"]
                 for step in report["measurements"]]
        self.assertGreater(len(rates), 5, "a curve has points")
        self.assertEqual(rates[0], 0)
        self.assertEqual(rates, sorted(set(rates)))
        for step in report["measurements"]:
            for kind in {"tracker", "plain_forwarding", "defended"} & set(step):
                self.assertIn("connections_per_second", step[kind])
        return report

    def test_connections_are_opened_beside_a_flood(self):
        report = self.flooded(seconds=0.1)
        self.assertNotIn("defended", report["measurements"][0])
        self.assertEqual(report["conditions"]["defence"], "off")
        self.assertEqual(report["totals"]["answered"] + report["totals"]["emitted"], 0)
        self.check_goodput(report, "tracker", "plain_forwarding")

    def check_goodput(self, report, *kinds):
        for kind in kinds:  # in a single short window nothing may be completed: the thread may have been away
            self.assertGreater(sum(step[kind]["connections_per_second"] for step in report["measurements"]), 0)

    def check_defended(self, *arguments):
        report = self.flooded("--defence", "cookies", *arguments, seconds=0.1)
        self.assertEqual(report["conditions"]["defence"], "cookies")
        totals = report["totals"]
        for counter in "answered", "answers_out", "emitted", "emitted_out":
            self.assertGreater(totals[counter], 0)
        self.assertLessEqual(totals["answers_out"], totals["answered"])
        self.assertLessEqual(totals["emitted_out"], totals["emitted"])
        self.check_goodput(report, "tracker", "plain_forwarding", "defended")
        flooded = report["measurements"][1:]
        self.assertGreater(sum(step["defended"]["flood"]["answered_per_second"] for step in flooded), 0)
        for step in flooded:
            self.assertEqual(step["tracker"]["flood"]["answered_per_second"], 0)
            self.assertEqual(step["plain_forwarding"]["flood"]["answered_per_second"], 0)
        return flooded

    def test_a_defending_box_answers_the_flood_and_proxies_honest_connections(self):
        for step in self.check_defended():
            self.assertEqual(step["defended"]["flood"]["packets_per_second_out"], 0, "the server sees none of it")

    def test_the_same_with_options_as_linux_has_them(self):
        self.check_defended("--flood-options")

    def test_floods_of_every_kind_are_accounted_for(self):
        for kind in "ack", "syn-ack", "rst", "fin":
            with self.subTest(kind):
                report = self.flooded("--flood", kind, "--defence", "cookies")
                self.assertEqual(report["conditions"]["flood"]["kind"], kind)
        for sources in "sequential", "few":
            with self.subTest(sources):
                report = self.flooded("--flood-sources", sources)
                self.assertEqual(report["conditions"]["flood"]["sources"], sources)

    def test_floods_of_ipv6_are_answered_and_accounted_for(self):
        for kind, more, size in ("syn", [], 78), ("syn", ["--flood-options"], 98), ("ack", ["--flood-options"], 90):
            with self.subTest(kind=kind, more=more):
                report = self.flooded("--flood-ipv6", "--flood", kind, "--defence", "cookies", *more, seconds=0.05)
                flood = report["conditions"]["flood"]
                self.assertEqual((flood["family"], report["conditions"]["frame_bytes"]), ("ipv6", size))
                flooded = report["measurements"][1:]
                self.assertGreater(sum(step["plain_forwarding"]["flood"]["packets_per_second_out"] for step in flooded), 0)
                answered, out = (sum(step["defended"]["flood"][rate] for step in flooded)
                                 for rate in ("answered_per_second", "packets_per_second_out"))
                self.assertEqual(answered > 0, kind == "syn")
                self.assertEqual(out == 0, kind == "syn", f"{out} a second went through, {answered} were answered; "
                                 "an ACK is taken for one of a connection that was there before")
                self.check_goodput(report, "tracker", "plain_forwarding", "defended")
        for sources in "sequential", "few":
            with self.subTest(sources):
                self.flooded("--flood-ipv6", "--flood-sources", sources, "--workers", 2)

    def test_in_turns_a_flood_of_ipv6_leaves_the_buffers_as_they_were(self):
        report = measure("--in-turns", "--profile", "synflood", "--flows", 1000, "--defence", "cookies", "--flood-ipv6", seconds=0.04)
        self.check(report)
        quiet, *flooded = report["measurements"]
        self.assertGreater(quiet["defended"]["connections_per_second"], 0)
        for step in flooded:
            self.assertEqual(step["defended"]["flood"]["packets_per_second_out"], 0)
            self.assertGreater(step["defended"]["flood"]["answered_per_second"], 0)

    def test_the_report_of_a_flood_has_its_curves(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "report.html")
            text = run("--profile", "synflood", "--defence", "cookies", "--flows", 100, "--rate", 20000, "--seconds", 0.02,
                       "--html", path).stdout
            html = path.read_text()
        self.assertIn("  defended ", text)
        curve = html[html.index("Connections opened and closed meanwhile"):]
        curve = curve[:curve.index("</svg>")]
        for kind in "s0", "s1", "s2":
            self.assertGreater(curve.count(f'<circle class="{kind}"'), 5)

    def test_a_search_reports_each_size_for_both_kinds(self):
        report = measure("--search", "--sizes", "64,imix", "--trial-seconds", 0.01, "--flows", 1000)
        self.check({**report, "measurements": []})
        self.assertEqual([(point["frame"], point["kind"]) for point in report["search"]],
                         [(frame, kind) for frame in ("64", "IMIX") for kind in ("tracker", "plain_forwarding")])
        for point in report["search"]:
            self.assertLessEqual(point["lossless_packets_per_second"], point["flat_out_packets_per_second"] * 1.5)

    def test_the_html_report_needs_no_other_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "report.html")
            text = run("--seconds", 0.02, "--flows", 100, "--html", path).stdout
            html = path.read_text()
        self.assertIn("plain forwarding", text)
        self.assertEqual(html.count("<svg"), html.count("</svg>"))
        self.assertGreater(html.count("<svg"), 1)
        self.assertNotIn("in turns", html)
        for word in ("http:", "https:", "src=", "href=", "@import"):
            self.assertNotIn(word, html)


    def test_the_html_report_names_what_was_measured_in_turns(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "report.html")
            text = run("--in-turns", "--seconds", 0.02, "--flows", 100, "--html", path).stdout
            html = path.read_text()
        for report in text, html:
            self.assertIn("took turns on one thread", report)
            self.assertNotIn("not saturated", report)
        self.assertIn("<td>in turns</td>", html)
        self.assertNotIn("Latency,", html)
        self.assertNotIn("latency", text)


class Refused(unittest.TestCase):
    def refused(self, arguments, *words, status=2):
        done = run(*arguments, status=status)
        self.assertEqual(done.stdout, "")
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertLess(len(done.stderr), 600)

    def test_wrong_arguments_are_refused_by_name(self):
        self.refused(["--profile", "fast"], "--profile", "fast")
        self.refused(["--flows", "0"], "--flows")
        self.refused(["--flows", "17000000"], "--flows")
        self.refused(["--seconds", "soon"], "--seconds")
        self.refused(["--ring-slots", "1000"], "--ring-slots", "power of two")
        self.refused(["--frame", "63"], "--frame")
        self.refused(["--sizes", "64,big"], "--sizes")
        self.refused(["--flood", "udp"], "--flood", "udp")
        self.refused(["--flood-sources", "all"], "--flood-sources", "all")
        self.refused(["--defence", "walls"], "--defence", "walls")
        self.refused(["--nonsense"], "--nonsense")

    def test_arguments_that_contradict_one_another_are_refused(self):
        self.refused(["--ports", "net_a"], "--ports takes two ports")
        self.refused(["--ports", "net_a,net_a"], "two different ports")
        self.refused(["--ports", "net_a,net_b", "--workers", "2"], "--workers")
        self.refused(["--workers", "4", "--flows", "3"], "--flows")
        self.refused(["--workers", "1", "--generators", "2"], "--generators")
        self.refused(["--defence", "cookies"], "--defence", "synflood")
        self.refused(["--profile", "synflood", "--defence", "cookies", "--ports", "net_a,net_b"], "--defence",
                     "box of your own")
        self.refused(["--in-turns", "--ports", "net_a,net_b"], "--in-turns", "box of your own")
        self.refused(["--in-turns", "--workers", "2"], "--in-turns", "--workers 1")
        self.refused(["--in-turns", "--search"], "--in-turns", "--search")
        self.refused(["--in-turns", "--rate", "1000"], "--in-turns", "--rate")
        self.refused(["--in-turns", "--profile", "all"], "--in-turns", "all")

    def test_ports_that_are_not_there_are_named(self):
        self.refused(["--ports", "net_absent0,net_absent1"], "net_absent0", status=1)

    def test_a_report_that_cannot_be_written_is_a_failure(self):
        done = run("--seconds", 0.01, "--flows", 10, "--html", "/nonexistent/report.html", status=1)
        self.assertIn("/nonexistent/report.html cannot be written", done.stderr)


if __name__ == "__main__":
    unittest.main()
