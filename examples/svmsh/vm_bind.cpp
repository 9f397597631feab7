// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "vm_bind.hpp"

#include "command_forms.hpp"
#include "input.hpp"
#include "key_table.hpp"
#include "vm_bind_space.hpp"
#include "words.hpp"

#include <svm/gpuvm/layout.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace svmsh {

namespace {

constexpr int good = 0, cannot_write = 1, wrong_input = 2;

int refuse(std::string const& text) {
  std::fputs(("svmsh: " + text + "\n").c_str(), stderr);
  return wrong_input;
}

struct arguments {
  char const* file = "-";
  std::uint64_t start = 0, size = std::uint64_t{1} << 48, reserve_start = 0, reserve_size = 0;
};

// A new option is a row here.
constexpr key<arguments> keys[] = {
    {{"start=ADDR", "the first address of the space", "0"},
     [](arguments& a, setting const& s) { return set_number(s, a.start); }},
    {{"size=SIZE", "its size", "256T"}, [](arguments& a, setting const& s) { return set_number(s, a.size); }},
    {{"reserve_start=ADDR", "the part that the kernel keeps", "0"},
     [](arguments& a, setting const& s) { return set_number(s, a.reserve_start); }},
    {{"reserve_size=SIZE", "its size; 0: none", "0"},
     [](arguments& a, setting const& s) { return set_number(s, a.reserve_size); }},
};
constexpr std::span<key<arguments> const> known_keys = keys;

parsed<arguments> parse_arguments(std::span<char const* const> args) {
  arguments a;
  bool file_given = false;
  for (char const* const argument : args) {
    std::string_view const word = argument;
    if (word.size() > 1 && word.starts_with('-')) return unknown_option("vm_bind", word, {});
    std::size_t const equals = word.find('=');
    if (equals != std::string_view::npos && is_name(word.substr(0, equals))) {
      auto const* const k = find_key(known_keys, word);
      if (k == nullptr) return unknown_key("option", word, bind_rows());
      if (std::optional<bad_input> const wrong = set_key(*k, a, word)) return *wrong;
    } else if (file_given) {
      return bad_input{quoted(word) + " is a second FILE, expected one"};
    } else {
      a.file = argument;
      file_given = true;
    }
  }
  return a;
}

/// Takes the words of a line one after the other; after the first that is wrong it gives neutral values.
///
/// Numbers of the usual forms are read here; all that is unusual or wrong goes to the parsers of words.hpp.
class words_of {
 public:
  explicit words_of(std::string_view line) : rest_(line) { skip_blanks(); }

  bool at_end() const { return rest_.empty(); }

  std::string_view word() {
    std::size_t length = 0;
    while (length < rest_.size() && rest_[length] != ' ' && rest_[length] != '\t') ++length;
    std::string_view const w = rest_.substr(0, length);
    rest_.remove_prefix(length);
    skip_blanks();
    return w;
  }

  std::uint64_t number(char const* what) {
    return value(what, [](std::string_view w) { return parse_number(w); });
  }
  std::uint64_t address(char const* what) {
    return value(what, [](std::string_view w) { return parse_address(w, name_table{}); });
  }
  std::uint32_t object() {
    std::uint64_t const id = number("OBJ");
    if (id > UINT32_MAX) fail("OBJ is above 2^32-1");
    return static_cast<std::uint32_t>(id);
  }

  void fail(std::string text) {
    if (wrong_.empty()) wrong_ = std::move(text);
  }
  /// What is wrong with the line, its end included; empty when nothing is.
  std::string const& finish() {
    if (!at_end()) fail("there is " + quoted(word()) + " too much");
    return wrong_;
  }

 private:
  void skip_blanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
  }

  template <class Parse>
  std::uint64_t value(char const* what, Parse parse) {
    std::string_view const w = word();
    if (w.empty()) {
      fail(std::string(what) + " is missing");
      return 0;
    }
    if (w.size() >= 3 && w.size() <= 18 && w[0] == '0' && w[1] == 'x') {
      std::uint64_t hex = 0;
      std::size_t i = 2;
      for (; i < w.size(); ++i) {
        unsigned const digit = hex_digit(w[i]);
        if (digit > 15) break;
        hex = hex << 4 | digit;
      }
      if (i == w.size()) return hex;
    }
    parsed<std::uint64_t> const number = parse(w);
    if (number) return *number;
    fail(std::string(what) + ": " + number.error());
    return 0;
  }

  static unsigned hex_digit(char c) {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    char const lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? static_cast<unsigned>(lower - 'a' + 10) : 16;
  }

  std::string_view rest_;
  std::string wrong_;
};

std::string expected(std::string const& wrong, std::string_view form) {
  return wrong + ", expected: " + std::string(form);
}

/// Executes one line, or says why it cannot be understood.
std::string execute(bind_space& space, std::string_view line) {
  words_of words(line);
  if (words.at_end()) return {};
  std::string_view const command = words.word();
  if (command == "map") {
    svm::gpu_va const start{words.address("ADDR")};
    svm::byte_count const size{words.number("RANGE")};
    std::uint32_t const object = words.object();
    std::uint64_t const offset = words.number("OFFSET");
    if (std::string const& wrong = words.finish(); !wrong.empty()) return expected(wrong, form_of("map"));
    space.request_map(start, size, object, offset);
  } else if (command == "unmap" || command == "prefetch") {
    svm::gpu_va const start{words.address("ADDR")};
    svm::byte_count const size{words.number("RANGE")};
    if (std::string const& wrong = words.finish(); !wrong.empty())
      return expected(wrong, command == "unmap" ? form_of("unmap") : form_of("prefetch"));
    if (command == "unmap")
      space.request_unmap(start, size);
    else
      space.request_prefetch(start, size);
  } else if (command == "gem_unmap") {
    std::uint32_t const object = words.object();
    if (std::string const& wrong = words.finish(); !wrong.empty()) return expected(wrong, form_of("gem_unmap"));
    space.request_object_unmap(object);
  } else if (command == "dump") {
    if (std::string const& wrong = words.finish(); !wrong.empty()) return expected(wrong, form_of("dump"));
    space.request_dump();
  } else {
    std::vector<std::string_view> known;
    for (manual_row const& row : bind_forms) known.push_back(row.name());
    std::string const hint = did_you_mean(command, known);
    return "there is no request " + quoted(command) +
           (hint.empty() ? ", expected: map|unmap|prefetch|gem_unmap|dump" : hint);
  }
  return {};
}

/// Executes every line; wrong_input when that ended early.
int run_lines(line_reader& input, bind_space& space, char const* file) {
  auto const complain = [&](std::string const& text) {
    space.out().flush();
    std::fputs((file + (":" + std::to_string(input.line_number())) + ": " + text + "\n").c_str(), stderr);
    return wrong_input;
  };
  for (;;) {
    std::string_view line;
    switch (input.next(line, [&] { space.out().flush(); })) {
      case line_reader::status::end:
        return good;
      case line_reader::status::failed:
        space.out().flush();
        return refuse(input.error());
      case line_reader::status::too_long:
        return complain("the line is too long, expected at most 1M bytes");
      case line_reader::status::line:
        break;
    }
    if (std::string const wrong = execute(space, line); !wrong.empty()) return complain(wrong);
    if (space.out().failed()) return cannot_write;
  }
}

}  // namespace

std::vector<manual_row> bind_rows() {
  return rows_of(known_keys);
}

int vm_bind_main(std::span<char const* const> args) {
  parsed<arguments> const a = parse_arguments(args);
  if (!a) return refuse(a.error());
  svm::result<svm::gpuvm_layout> const layout =
      svm::gpuvm_layout::make({a->start}, {a->size}, {a->reserve_start}, {a->reserve_size});
  if (!layout) return refuse(std::string("there is no such space: ") + svm::describe(layout.error()).cause);

  bind_space space(*layout);
  line_reader input(a->file);
  int const status = run_lines(input, space, a->file);
  space.out().flush();
  if (!space.out().failed()) return status;
  if (status != wrong_input) std::fputs("svmsh: cannot write to standard output\n", stderr);
  return status == wrong_input ? wrong_input : cannot_write;
}

}  // namespace svmsh
