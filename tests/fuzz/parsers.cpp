// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// svmsh's parsers of words, options, commands and memory traces against recognisers of a few lines.

#include "grammar.hpp"
#include "memory_file.hpp"
#include "target.hpp"

#include "command.hpp"
#include "lackey.hpp"
#include "options.hpp"
#include "words.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace fuzz::parsers {

namespace {

using std::string_view;

constexpr auto numbers = std::to_array<string_view>({"0",
                                                     "1",
                                                     "8",
                                                     "4096",
                                                     "0x1000",
                                                     "64K",
                                                     "0x10K",
                                                     "2M",
                                                     "4G",
                                                     "1T",
                                                     "16777215T",
                                                     "16777216T",
                                                     "0xffffffffffffffff",
                                                     "18446744073709551615",
                                                     "18446744073709551616",
                                                     "0x10000000000000000",
                                                     "007",
                                                     "0X10",
                                                     "0x",
                                                     "K",
                                                     "-1",
                                                     "1k",
                                                     "1KK",
                                                     "0xG",
                                                     "64",
                                                     "65"});
constexpr auto addresses = std::to_array<string_view>({"A",  "B",  "top",  "A+4K",  "A-0x1000", "0x100000000", "A+1+1",
                                                       "A+", "+1", "A-4G", "A-5G",  "top+0",    "top+1",       "0-1",
                                                       "C",  "1A", "1+A",  "A+top", "4G-0",     "0x-1"});
constexpr auto names = std::to_array<string_view>({"N", "A", "_x9", "9x", "c", "d", "e", "gpu", "all", "r"});
constexpr auto gpu_words = std::to_array<string_view>(
    {"gpu", "gpu0", "gpu1", "gpu2", "gpu01", "gpu1K", "gpux", "cpu", "gpu18446744073709551616"});
constexpr auto vrams = std::to_array<string_view>({"vram0", "vram1", "vram2", "vram", "vram00"});
constexpr auto errors = std::to_array<string_view>({"EINVAL", "ENODATA", "SIGSEGV", "EXXX", "einval", "EOPNOTSUPP"});
constexpr auto statistics = std::to_array<string_view>({"gpu_faults", "tlb_flushes", "vram_used", "gpu_fault"});
constexpr auto keys = std::to_array<string_view>(
    {"ram=",      "vram=",  "gpus=", "chunks=", "notifier=", "check_pages=", "migrate=",  "timeslice=",
     "readonly=", "split=", "gc=",   "thp=",    "page=",     "faults=",      "vm_start=", "vm_size=",
     "seed=",     "speed=", "=",     "ram",     "thrash=",   "evict="});
constexpr auto values = std::to_array<string_view>(
    {"on",  "off",        "only",       "auto", "manual", "4K", "16K",   "65536", "0",     "64",  "2M,64K,4K", "2M,,4K",
     "4K,", "4294967296", "4294967297", "1T",   "",       "0x", "1025G", "4097",  "slice", "uvm", "touched"});
constexpr auto others = std::to_array<string_view>({"@c", "@d", "@", "->", "=", "[", "machine", "gpu", "show", "expect",
                                                    "at=A", "to=", "dontunmap", "rw", "#", "", "ranges", "none"});

grammar::world some_world(bool first) {
  return {{{"A", std::uint64_t{4} << 30}, {"B", (std::uint64_t{1} << 47) - 4096}, {"top", UINT64_MAX}},
          {"c"},
          {"d"},
          2,
          first};
}

std::string option_word(input& in) {
  std::string const key(in.one_of(keys));
  return key + std::string(in.flag() ? in.one_of(values) : in.one_of(numbers));
}

/// A word of the class that a form asks for, or nearly.
std::string sample(string_view type, input& in) {
  auto const one_of = [&](auto const& list) { return std::string(in.one_of(list)); };
  if (type == "SIZE" || type == "VALUE" || type == "NTH") return one_of(numbers);
  if (type == "ADDR") return in.byte() < 200 ? one_of(addresses) : one_of(numbers);
  if (type.ends_with("=ADDR")) return std::string(type.substr(0, type.size() - 4)) + one_of(addresses);
  if (type == "NEW" || type == "NEWCHILD" || type == "CHILD") return one_of(names);
  if (type == "GPU") return one_of(gpu_words);
  if (type == "VRAM") return one_of(vrams);
  if (type == "ERRNO") return one_of(errors);
  if (type == "STAT") return one_of(statistics);
  if (type == "OPTION" || type == "*") return option_word(in);
  std::vector<string_view> choices(1);
  for (char const& c : type) {
    if (c == '|')
      choices.emplace_back();
    else
      choices.back() = {choices.back().empty() ? &c : choices.back().data(), choices.back().size() + 1};
  }
  return std::string(choices[in.below(static_cast<unsigned>(choices.size()))]);
}

/// A line that is a command, or nearly.
std::string command_line(input& in) {
  string_view form = grammar::forms()[in.below(static_cast<unsigned>(grammar::forms().size()))];
  std::string line = in.byte() < 32 ? std::string(in.one_of(others)) + " " : "";
  bool left_out = false;
  while (!form.empty()) {
    std::size_t const end = std::min(form.find(' '), form.size());
    string_view const part = form.substr(0, end);
    form.remove_prefix(std::min(end + 1, form.size()));
    if (part == "[") left_out = in.flag();
    if (part == "]") left_out = false;
    if (left_out || part == "[" || part == "]") continue;
    std::uint8_t const how = in.byte();
    if (how < 232)
      line += sample(part, in) + (how < 224 ? " " : "\t ");
    else if (how < 240)
      line += std::string(in.one_of(others)) + " ";
    else if (how < 248)
      line += static_cast<char>(in.byte());
  }
  return line;
}

template <class T>
void collect(std::vector<std::uint64_t>& found, T const& value) {
  if constexpr (std::is_same_v<T, std::optional<std::uint64_t>>) {
    if (value) found.push_back(*value);
  } else {
    found.push_back(value);
  }
}

/// The addresses and numbers that a parser found, in the order in which the line has them.
std::vector<std::uint64_t> numbers_of(svmsh::action const& what) {
  std::vector<std::uint64_t> found;
  std::visit(
      [&](auto const& c) {
        if constexpr (requires { c.what.old_size; }) {
          for (std::uint64_t const n : {c.what.address, c.what.old_size, c.what.new_size}) found.push_back(n);
          collect(found, c.what.to);
        }
        if constexpr (requires { c.address; }) collect(found, c.address);
        if constexpr (requires { c.start; }) collect(found, c.start);
        if constexpr (requires { c.size; }) collect(found, c.size);
        if constexpr (requires { c.at; }) collect(found, c.at);
        if constexpr (requires { c.expected; }) collect(found, c.expected);
        if constexpr (requires { c.value; }) collect(found, c.value);
        if constexpr (requires { c.ms; }) collect(found, c.ms);
        if constexpr (requires { c.nth; }) collect(found, c.nth);
        if constexpr (requires { c.count; }) collect(found, c.count);
      },
      what);
  return found;
}

void parse_line(std::string const& line, bool first) {
  grammar::world const in = some_world(first);
  svmsh::name_table const bound(in.names.begin(), in.names.end());
  svmsh::child_table children;
  for (std::string const& c : in.running) children[c] = {1, false};
  for (std::string const& c : in.exited) children[c] = {2, true};

  std::vector<string_view> const words = svmsh::split_words(line);
  std::vector<std::string> const expected = grammar::words_of(line);
  expect(std::ranges::equal(words, expected), "a line is split into other words");
  for (string_view const w : words) {
    svmsh::parsed<std::uint64_t> const n = svmsh::parse_number(w);
    std::optional<std::uint64_t> const number = grammar::number(w);
    expect(number ? n && *n == *number : !n && !n.error().empty(), "a number is read otherwise");
    svmsh::parsed<std::uint64_t> const a = svmsh::parse_address(w, bound);
    std::optional<std::uint64_t> const address = grammar::address(w, in);
    expect(address ? a && *a == *address : !a && !a.error().empty(), "an address is read otherwise");
    expect(svmsh::is_name(w) == grammar::name(w), "a name is judged otherwise");
    expect(svmsh::quoted(w).find('\n') == std::string::npos, "a quotation has a line break");
  }
  if (words.empty()) return;
  auto const command = svmsh::parse_command(words, {bound, children, in.gpus, first, false});
  std::optional<std::vector<std::uint64_t>> const judged = grammar::command(expected, in);
  if (!judged) {
    expect(!command && !command.error().empty(), "a line is accepted that is no command");
    return;
  }
  expect(static_cast<bool>(command), "a command is refused");
  expect(numbers_of(command->what) == *judged, "a command is read with other numbers");
  auto const arrow = std::ranges::find(expected, "->");
  expect(arrow == expected.end() ? command->announced.empty() : command->announced == *(arrow + 1),
         "a command announces another error");
  expect(command->process == (expected.front() == "@c" ? 1u : 0u), "a command concerns another process");
}

void parse_options(input& in) {
  svmsh::machine_options all;
  std::uint64_t ram = all.ram;
  std::uint64_t vram = all.vram;
  std::uint64_t page = all.page;
  std::uint64_t gpus = all.gpus;
  while (!in.at_end()) {
    std::string const word = option_word(in);
    if (telling()) tell(word);
    bool const good = grammar::option(word);
    expect(!svmsh::assign(all, word) == good, "an option is judged otherwise");
    std::size_t const equals = word.find('=');
    expect(svmsh::is_option(word) == (equals != std::string::npos && grammar::name(word.substr(0, equals))),
           "an option is taken for a file, or a file for an option");
    if (!good) continue;
    std::uint64_t const n = grammar::number(word.substr(equals + 1)).value_or(0);
    if (word.starts_with("ram=")) ram = n;
    if (word.starts_with("vram=")) vram = n;
    if (word.starts_with("page=")) page = n;
    if (word.starts_with("gpus=")) gpus = n;
  }
  expect(all.ram == ram && all.vram == vram && all.page == page && all.gpus == gpus, "an option sets another value");
  bool const good = ram >= page && ram <= (std::uint64_t{1} << 40) && vram <= (std::uint64_t{1} << 40) &&
                    ram % page == 0 && vram % page == 0 && vram * gpus <= (std::uint64_t{4} << 40);
  expect(!svmsh::check(all) == good, "the options together are judged otherwise");
}

constexpr auto trace_words = std::to_array<string_view>({"I  ",      " L ",
                                                         " S ",      " M ",
                                                         "I ",       " L",
                                                         " M\t",     "==1== ",
                                                         "04ef10",   "ffffffffffffffff",

                                                         "DEADbeef", "0ffffffffffffffff",
                                                         ",",        ",8",
                                                         ",4096",    ",4097",
                                                         ",08",      ",0",
                                                         "\n",       "\n",
                                                         "\n",       "\n",
                                                         "\r\n",     "\r",
                                                         "x",        " ",
                                                         " # 0",     " # 4294967295",
                                                         " # 07",    " # 4294967296"});

std::string trace_text(input& in) {
  std::string text;
  while (!in.at_end()) {
    std::uint8_t const how = in.byte();
    if (how < 96)
      text += std::string(trace_words[how % 4]) + std::string(trace_words[8 + in.below(3)]) +
              std::string(trace_words[13 + in.below(2)]) + "\n";
    else if (how < 200)
      text += in.one_of(trace_words);
    else if (how < 240)
      text += static_cast<char>(in.byte());
    else
      text += std::string(in.byte(), static_cast<char>('0' + how % 10));
  }
  return text;
}

/// One line of a trace: `L 0x10 8`, nothing when it is to be skipped, and "malformed".
std::string judge_trace_line(string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (std::size_t const warp = line.find(" # "); warp != string_view::npos && line.size() > 3 && line[0] == ' ') {
    string_view const name = line.substr(warp + 3);
    bool const good = !name.empty() && name.size() <= 10 && name.find_first_not_of("0123456789") == string_view::npos &&
                      (name.size() == 1 || name[0] != '0') && *grammar::number(name) <= UINT32_MAX;
    if (good) line = line.substr(0, warp);
  }
  if (line == "I " || line == " L" || line == " S" || line == " M") return "malformed";
  string_view const tag = line.substr(0, 3);
  if (tag != "I  " && tag != " L " && tag != " S " && tag != " M ") return "";
  line.remove_prefix(3);
  std::size_t const comma = line.find(',');
  if (comma == string_view::npos || comma == 0 || comma > 16) return "malformed";
  std::string const address = "0x" + std::string(line.substr(0, comma));
  string_view const size = line.substr(comma + 1);
  if (line.substr(0, comma).find_first_not_of("0123456789abcdefABCDEF") != string_view::npos) return "malformed";
  if (size.empty() || size.size() > 4 || size.find_first_not_of("0123456789") != string_view::npos) return "malformed";
  std::optional<std::uint64_t> const bytes = grammar::number(size);
  if (!bytes || *bytes == 0 || *bytes > 4096) return "malformed";
  if (tag[0] == 'I') return "";
  return std::string(1, tag[1]) + " " + hex(*grammar::number(address)) + " " + std::to_string(*bytes);
}

void read_trace(input& in) {
  constexpr std::array<std::size_t, 4> blocks{0, 129, 200, svmsh::lackey_reader::usual_block};
  std::size_t const block = in.one_of(blocks);
  std::string const text = trace_text(in);
  if (telling()) tell("a trace of " + std::to_string(text.size()) + " bytes:\n" + text);
  static memory_file file;
  file.set(text);
  svmsh::lackey_reader reader(file.path(), {}, block);
  std::uint64_t number = 0;
  svmsh::trace_access a;
  for (string_view rest = text; !rest.empty();) {
    std::size_t const end = std::min(rest.find('\n'), rest.size());
    std::string const expected = judge_trace_line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    if (expected.empty()) continue;
    auto const status = reader.next(a);
    expect(reader.line_number() == number, "a trace stops at another line");
    if (expected == "malformed") {
      expect(status == svmsh::lackey_reader::status::malformed && !reader.error().empty(), "a malformed line is taken");
      return;
    }
    expect(status == svmsh::lackey_reader::status::access &&
               std::string(1, "LSM"[static_cast<int>(a.kind)]) + " " + hex(a.address) + " " + std::to_string(a.size) ==
                   expected,
           "an access is read otherwise");
  }
  expect(reader.next(a) == svmsh::lackey_reader::status::end, "a trace goes on behind its end");
}

int run(bytes all) {
  input in(all);
  switch (in.below(4)) {
    case 0: {
      bool const first = in.flag();
      while (!in.at_end()) {
        std::string const line = command_line(in);
        if (telling()) tell(line);
        parse_line(line, first);
      }
      break;
    }
    case 1: {
      std::string line;
      while (!in.at_end()) line += static_cast<char>(in.byte());
      if (telling()) tell(line);
      parse_line(line, true);
      break;
    }
    case 2:
      parse_options(in);
      break;
    default:
      read_trace(in);
      break;
  }
  return 0;
}

registration const registered{"parsers", run};

}  // namespace

}  // namespace fuzz::parsers
