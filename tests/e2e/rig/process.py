"""Programs a test starts, and the transcript that is printed when it fails.

Every program is started and ended by its process id; nothing is ever killed by name.
"""

import os
import shlex
import signal
import subprocess
import time


class Failure(AssertionError):
    """What a scenario expected and did not see, in one sentence."""


class Skip(Exception):
    """What this machine lacks, so that the scenario cannot be tried on it, in one sentence."""


def expect(condition, sentence):
    """Fails the scenario with `sentence` unless `condition` holds."""
    if not condition:
        raise Failure(sentence)


def wait_until(condition, sentence, seconds=10.0, every=0.02):
    """Waits for `condition()` to become true; fails with `sentence` after `seconds`. Returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"{sentence} (waited {seconds:g} s)")
        time.sleep(every)


class Transcript:
    """What was done and what was answered, in order: printed only when a scenario fails."""

    def __init__(self):
        self.lines = []
        self.start = time.monotonic()

    def note(self, text):
        stamp = f"{time.monotonic() - self.start:8.3f}"
        for line in str(text).rstrip("\n").split("\n"):
            self.lines.append(f"{stamp}  {line}")
            stamp = " " * len(stamp)

    def text(self, last=400):
        shown = self.lines[-last:]
        if len(shown) < len(self.lines):
            shown.insert(0, f"          ({len(self.lines) - len(shown)} earlier lines left out)")
        return "\n".join(shown)


def shorten(text, limit=1500):
    text = text.rstrip("\n")
    return text if len(text) <= limit else text[: limit // 2] + "\n …\n" + text[-limit // 2 :]


def execute(transcript, argv, seconds=60, check=True, quiet=False):
    """Runs a program to its end. Returns the finished process with `stdout` and `stderr` as text."""
    argv = [str(word) for word in argv]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=seconds
        )
    except subprocess.TimeoutExpired as late:
        transcript.note(f"$ {shlex.join(argv)}\n(killed after {seconds} s)\n{late.stdout!r}\n{late.stderr!r}")
        raise Failure(f"`{shlex.join(argv)}` did not end within {seconds} s") from None
    if not quiet or done.returncode != 0:
        transcript.note(f"$ {shlex.join(argv)}")
        for stream in (done.stdout, done.stderr):
            if stream.strip():
                transcript.note(shorten(stream))
        if done.returncode != 0:
            transcript.note(f"(exit status {done.returncode})")
    if check and done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip()).split("\n")[-1]
        raise Failure(f"`{shlex.join(argv)}` ended with status {done.returncode}: {words}")
    return done


class Program:
    """A program that runs beside the test, its output in a file of its own."""

    def __init__(self, transcript, argv, log_path, error_path=None):
        """`error_path`: where standard error goes; None: where standard output goes."""
        self.transcript = transcript
        self.argv = [str(word) for word in argv]
        self.log_path = log_path
        transcript.note(f"$ {shlex.join(self.argv)} &")
        with open(log_path, "wb") as log, open(error_path or os.devnull, "wb") as errors:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=errors if error_path else subprocess.STDOUT,
            )

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process.poll() is None

    def log(self):
        with open(self.log_path, "r", errors="replace") as log:
            return log.read()

    def send(self, number):
        self.transcript.note(f"$ kill -{signal.Signals(number).name[3:]} {self.argv[0]}")
        os.kill(self.pid, number)

    def wait(self, seconds):
        """Waits for the end; returns the exit status, or fails."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.argv[0]} did not end within {seconds} s") from None

    def stop(self, number=signal.SIGTERM, seconds=10):
        """Ends the program, gently first. Returns its exit status."""
        if self.running():
            os.kill(self.pid, number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.transcript.note(f"({self.argv[0]} did not stop within {seconds} s and was killed)")
                self.process.kill()
                self.process.wait()
        return self.process.returncode
