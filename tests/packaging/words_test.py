#!/usr/bin/env python3
"""How a help text is taken apart, of which pages and completions are made.

usage: words_test.py PACKAGING
"""

import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv.pop())
import completion  # noqa: E402
import words  # noqa: E402

HELP = """\
Checks a file and says
every fault.
Usage: sluice check [--set KEY=VALUE]... FROM to PLACE
           [--replay] FILE
  --set KEY=VALUE  with this key changed;
                   may be repeated
  -r, --replay     as another reads it
  -o, --output, --format FORMAT[,...]                text, json or csv (of some)
  -s, --orig-src, --src, --source ADDRESS[/BITS] one space before it
  --write OUT.pcap everything
  --bare

An end.
"""


class Words(unittest.TestCase):
    def setUp(self):
        self.help = words.read_help(HELP)
        self.options = {option.names[-1]: option for option in self.help.options}

    def test_every_option_is_found_with_its_names_and_value(self):
        self.assertEqual({tuple(option.names): option.value for option in self.help.options}, {
            ("--set",): "KEY=VALUE", ("-r", "--replay"): "", ("-o", "--output", "--format"): "FORMAT[,...]",
            ("-s", "--orig-src", "--src", "--source"): "ADDRESS[/BITS]", ("--write",): "OUT.pcap", ("--bare",): ""})  # fmt: skip

    def test_what_goes_on_in_the_next_line_belongs_to_it(self):
        self.assertEqual(self.options["--set"].text, "with this key changed; may be repeated")
        self.assertEqual(self.options["--source"].text, "one space before it")
        self.assertEqual(self.options["--write"].text, "everything")

    def test_paragraphs_and_usage_keep_their_order(self):
        self.assertEqual(self.help.parts[:2], [
            "Checks a file and says every fault.", ["sluice check [--set KEY=VALUE]... FROM to PLACE [--replay] FILE"]])  # fmt: skip
        self.assertEqual(self.help.parts[-1], "An end.")

    def test_a_sentence_that_lists_words_gives_choices(self):
        self.assertEqual(self.options["--format"].choices(), ["text", "json", "csv"])
        self.assertEqual(self.options["--source"].choices(), [])
        self.assertEqual(words.Option(["--b"], "", "new, old or all").choices(), [])

    def test_a_key_gives_its_choices(self):
        def key(expected):
            return words.Key("a.b", "", expected, "reload", "", "").choices()

        self.assertEqual(key("true or false"), ["true", "false"])
        self.assertEqual(key('"off", "on" or "auto"'), ["off", "on", "auto"])
        self.assertEqual(key('a path such as "/run/a" or "/run/b"'), [])
        self.assertEqual(key("a whole number from 1 to 64"), [])

    def test_words_between_others_are_offered(self):
        command = words.Command("check", "", "", self.help, False)
        self.assertEqual(completion.loose_words(command), ["to"])
        self.assertTrue(completion.takes_files(command))


if __name__ == "__main__":
    unittest.main()
