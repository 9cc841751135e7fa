#include "app/cli_arguments.hpp"

#include <getopt.h>

#include <fmt/format.h>

#include <optional>
#include <vector>

#include "app/cli_meaning.hpp"

namespace sluice::app {
namespace {

constexpr int first_long = 1000;  ///< what getopt_long returns for long forms: this plus a number
constexpr int command_base = 2000;

/// The table as getopt_long wants it.
struct GetoptTables {
    std::string letters = ":";  // a missing value is told apart from an unknown option
    std::vector<option> longs;

    GetoptTables() {
        const auto options = option_texts();
        for (std::size_t i = 0; i < options.size(); ++i) {
            const int takes = options[i].value.empty() ? no_argument : required_argument;
            if (options[i].letter != 0) {
                letters += options[i].letter;
                if (takes == required_argument) letters += ':';
            }
            add(options[i].names, takes, first_long + static_cast<int>(i));
        }
        const auto commands = command_texts();
        for (std::size_t i = 0; i < commands.size(); ++i) {
            if (commands[i].letter != 0) letters += commands[i].letter;
            add(commands[i].dashed, no_argument, command_base + static_cast<int>(i));
        }
        longs.push_back({nullptr, 0, nullptr, 0});
    }

  private:
    template <class Names>
    void add(const Names& names, int takes, int value) {
        for (const auto name : names)
            if (!name.empty()) longs.push_back({name.data(), takes, nullptr, value});
    }
};

/// The row of the table that getopt_long's answer stands for.
const OptionText* option_of(int answer) {
    if (answer >= first_long && answer < command_base)
        return &option_texts()[static_cast<std::size_t>(answer - first_long)];
    for (const auto& text : option_texts())
        if (text.letter != 0 && text.letter == answer) return &text;
    return nullptr;
}

const CommandText* command_of(int answer) {
    if (answer >= command_base) return &command_texts()[static_cast<std::size_t>(answer - command_base)];
    for (const auto& text : command_texts())
        if (text.letter != 0 && text.letter == answer) return &text;
    return nullptr;
}

const CommandText* command_of_word(std::string_view word) {
    for (const auto& text : command_texts())
        for (const auto known : text.words)
            if (!known.empty() && known == word) return &text;
    return nullptr;
}

/// What getopt_long could not make sense of, as it was typed.
std::string offending(int argc, char** argv) {
    if (optopt != 0 && optopt < first_long) return fmt::format("-{}", static_cast<char>(optopt));
    return optind > 0 && optind <= argc ? argv[optind - 1] : "";
}

struct Scanned {
    const CommandText* command = nullptr;
    bool help = false;  ///< -h or --help, perhaps beside a command that it is to be about
    std::vector<Given> given;
    std::vector<std::string_view> words;  ///< neither options nor their values
};

Result<Scanned> scan(int argc, char** argv) {
    const GetoptTables tables;
    Scanned out;
    optind = 0;  // glibc: start afresh
    opterr = 0;
    for (int answer;
         (answer = getopt_long(argc, argv, tables.letters.c_str(), tables.longs.data(), nullptr)) != -1;) {
        if (answer == '?') return Error{fmt::format("unknown option `{}'", offending(argc, argv))};
        if (answer == ':')
            return Error{fmt::format("option `{}' requires an argument", offending(argc, argv))};
        if (const OptionText* option = option_of(answer)) {
            out.given.push_back({option, optarg != nullptr ? optarg : ""});
        } else if (const CommandText* command = command_of(answer)) {
            if (command->command == Command::help) {
                out.help = true;
                continue;
            }
            if (out.command != nullptr && out.command != command)
                return Error{"Invalid commands combination"};
            out.command = command;
        }
    }
    out.words.assign(argv + optind, argv + argc);
    return out;
}

/// The command when no letter gave it, and conntrack's table name, which may follow.
Status take_words(Scanned& scanned) {
    auto& words = scanned.words;
    if (scanned.command == nullptr && !words.empty()) {
        scanned.command = command_of_word(words.front());
        if (scanned.command == nullptr) return Error{fmt::format("unknown command `{}'", words.front())};
        words.erase(words.begin());
    }
    if (words.empty()) return success();
    if (words.size() > 1) return Error{fmt::format("`{}' is one word too many", words[1])};
    if (words.front() == "conntrack") return success();
    if (words.front() == "expect" || words.front() == "dying" || words.front() == "unconfirmed")
        return Error{fmt::format("there is no table `{}' here: `conntrack' is the only one", words.front())};
    return Error{fmt::format("unknown type `{}'", words.front())};
}

/// A line of the help; nothing for what is known only to be refused.
std::string option_line(const OptionText& text) {
    if (text.help.empty()) return "";
    std::string names = text.letter != 0 ? fmt::format("-{}, ", text.letter) : "    ";
    for (const auto name : text.names)
        if (!name.empty()) names += fmt::format("{}--{}", names.size() > 4 ? ", " : "", name);
    if (!text.value.empty()) names += fmt::format(" {}", text.value);
    return fmt::format("  {:<50} {}\n", names, text.help);
}

constexpr std::string_view exit_statuses =
    "\nExit status: 0 done, 1 nothing matched or the daemon refused or is not there, 2 wrong usage.\n";

std::string usage_of(const CommandText& command) {
    std::string out =
        fmt::format("{}: {}\nUsage: sluice {} [OPTIONS]", command.words[0], command.help, command.words[0]);
    if (command.letter != 0) out += fmt::format(", or sluice -{} [OPTIONS]", command.letter);
    out += "\n\nOptions:\n";
    for (const auto& text : option_texts())
        if ((text.commands & only(command.command)) != 0) out += option_line(text);
    return out.append(exit_statuses);
}

}  // namespace

Result<Arguments> parse_arguments(int argc, char** argv, const char* environment_socket) {
    auto scanned = scan(argc, argv);
    if (!scanned) return Error{scanned.error()};
    if (auto words = take_words(*scanned); !words) return Error{words.error()};
    Arguments out;
    if (environment_socket != nullptr && *environment_socket != '\0') out.socket = environment_socket;
    out.command = scanned->command != nullptr ? scanned->command->command : Command::help;
    if (scanned->help) {
        out.about = out.command;
        out.command = Command::help;
        return out;
    }
    if (scanned->command == nullptr && !scanned->given.empty())
        return Error{"You need to give a command, -L for example"};
    for (const auto& given : scanned->given) {
        if (given.option->id == OptionId::unavailable)
            return Error{fmt::format("`--{}' is not available: neither labels nor security marks are kept",
                                     given.option->names[0])};
        if ((given.option->commands & only(out.command)) == 0)
            return Error{fmt::format("Illegal option `--{}' with this command", given.option->names[0])};
    }
    if (auto understood = understand(scanned->given, out); !understood) return Error{understood.error()};
    return out;
}

std::string usage(Command about) {
    if (about != Command::help)
        for (const auto& text : command_texts())
            if (text.command == about) return usage_of(text);
    std::string out =
        "Look at and change the flows of a running sluiced.\n"
        "Usage: sluice COMMAND [conntrack] [OPTIONS]\n\nCommands, by letter as in conntrack or by name:\n";
    for (const auto& text : command_texts()) {
        if (text.help.empty()) continue;
        const std::string letter = text.letter != 0 ? fmt::format("-{},", text.letter) : "";
        out += fmt::format("  {:<4}{:<9} {}\n", letter, text.words[0], text.help);
    }
    out +=
        "      replay    run the tracker over captures (sluice replay --help)\n"
        "      explain   tell what became of the connections in captures (sluice explain --help)\n"
        "      capture   show packets and what was decided about them (sluice capture --help)\n"
        "      check     check a configuration file (sluice check --help)\n"
        "      top       show what the daemon does, on a screen that lives (sluice top --help)\n"
        "      doctor    say what this machine lacks for sluiced (sluice doctor --help)\n"
        "      rules     show the rules and how often each decided (sluice rules --help)\n"
        "      save      write the flows to a file (sluice save --help)\n"
        "      restore   take the flows of a file (sluice restore --help)\n"
        "      test-packet  say which rule decides about a packet, and why (sluice test-packet "
        "--help)\n\nOptions:\n";
    for (const auto& text : option_texts()) out += option_line(text);
    return out.append(exit_statuses);
}

}  // namespace sluice::app
