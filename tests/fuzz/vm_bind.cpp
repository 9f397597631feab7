// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// `svmsh vm_bind`, text to text, against a list of extents.

#include "grammar.hpp"
#include "memory_file.hpp"
#include "target.hpp"

#include "vm_bind.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fuzz::vm_bind {

namespace {

/// Bytes [start, last] of a space, and what they show.
struct extent {
  std::uint64_t start;
  std::uint64_t last;
  std::uint64_t object;
  std::uint64_t offset;
};

struct window {
  std::uint64_t start = 0;
  std::uint64_t size = std::uint64_t{1} << 48;
  std::uint64_t reserve_start = 0;
  std::uint64_t reserve_size = 0;
  [[nodiscard]] bool possible() const {
    return fits(start, size) && (reserve_size == 0 || (fits(reserve_start, reserve_size) && reserve_start >= start &&
                                                       reserve_start + (reserve_size - 1) <= start + (size - 1)));
  }
  [[nodiscard]] static bool fits(std::uint64_t start, std::uint64_t size) {
    return size != 0 && start <= UINT64_MAX - (size - 1);
  }
};

/// What a space answers.
class space {
 public:
  explicit space(window const& of) : of_(of) {}

  /// The answer to a line, or nothing for one that cannot be understood.
  [[nodiscard]] std::optional<std::string> answer(std::string_view line) {
    std::vector<std::string> const words = grammar::words_of(line);
    if (words.empty()) return "";
    std::vector<std::uint64_t> numbers;
    for (std::size_t i = 1; i < words.size(); ++i) {
      bool const address = i == 1 && words[0] != "gem_unmap";
      auto const n = address ? grammar::address(words[i], {{}, {}, {}, 0, false}) : grammar::number(words[i]);
      if (!n) return std::nullopt;
      numbers.push_back(*n);
    }
    bool const maps = words[0] == "map" && numbers.size() == 4 && numbers[2] <= UINT32_MAX;
    if (maps) return map(numbers[0], numbers[1], numbers[2], numbers[3]);
    if (words[0] == "unmap" && numbers.size() == 2)
      return allowed(numbers[0], numbers[1], true) ? vacate(numbers[0], numbers[0] + (numbers[1] - 1), nullptr) + "ok\n"
                                                   : refusal;
    if (words[0] == "prefetch" && numbers.size() == 2) return prefetch(numbers[0], numbers[1]);
    if (words[0] == "gem_unmap" && numbers.size() == 1 && numbers[0] <= UINT32_MAX) return object_unmap(numbers[0]);
    if (words[0] == "dump" && numbers.empty()) return dump();
    return std::nullopt;
  }

 private:
  static constexpr char refusal[] = "error: EINVAL\n";

  [[nodiscard]] bool allowed(std::uint64_t start, std::uint64_t size, bool but_reserved) const {
    if (!window::fits(start, size)) return false;
    std::uint64_t const last = start + (size - 1);
    bool const reserved =
        of_.reserve_size != 0 && start <= of_.reserve_start + (of_.reserve_size - 1) && last >= of_.reserve_start;
    return start >= of_.start && last <= of_.start + (of_.size - 1) && !(but_reserved && reserved);
  }

  static std::string range(std::uint64_t start, std::uint64_t last, char between) {
    return hex(start) + between + hex(last - start + 1);
  }
  static std::string shown(extent const& e) {
    return range(e.start, e.last, ' ') + " " + std::to_string(e.object) + " " + hex(e.offset) + "\n";
  }
  static extent part(extent const& e, std::uint64_t start, std::uint64_t last) {
    return {start, last, e.object, e.offset + (start - e.start)};
  }

  [[nodiscard]] std::string vacate(std::uint64_t start, std::uint64_t last, extent const* by) {
    std::string text;
    std::vector<extent> after;
    for (extent const& e : all_) {
      if (e.last < start || e.start > last) {
        after.push_back(e);
        continue;
      }
      std::uint64_t const inside = std::max(e.start, start);
      bool const keep = by != nullptr && by->object != 0 && by->object == e.object &&
                        part(e, inside, inside).offset == part(*by, inside, inside).offset;
      std::string const kept = keep ? " keep=1" : " keep=0";
      if (e.start >= start && e.last <= last) {
        text += "unmap " + range(e.start, e.last, ' ') + kept + "\n";
        continue;
      }
      text += "remap unmap=" + range(e.start, e.last, ',') + kept;
      if (e.start < start) {
        after.push_back(part(e, e.start, start - 1));
        text += " prev=" + range(e.start, start - 1, ',') + "," + hex(after.back().offset);
      }
      if (e.last > last) {
        after.push_back(part(e, last + 1, e.last));
        text += " next=" + range(last + 1, e.last, ',') + "," + hex(after.back().offset);
      }
      text += "\n";
    }
    all_ = std::move(after);
    return text;
  }

  [[nodiscard]] std::string map(std::uint64_t start, std::uint64_t size, std::uint64_t object, std::uint64_t offset) {
    if (!allowed(start, size, true) || offset > UINT64_MAX - (size - 1)) return refusal;
    extent const e{start, start + (size - 1), object, offset};
    std::string const text = vacate(e.start, e.last, &e);
    all_.insert(std::ranges::find_if(all_, [&](extent const& other) { return other.start > start; }), e);
    return text + "map " + shown(e) + "ok\n";
  }
  [[nodiscard]] std::string prefetch(std::uint64_t start, std::uint64_t size) const {
    if (!allowed(start, size, false)) return refusal;
    std::string text;
    for (extent const& e : all_)
      if (e.last >= start && e.start <= start + (size - 1)) text += "prefetch " + range(e.start, e.last, ' ') + "\n";
    return text + "ok\n";
  }
  [[nodiscard]] std::string object_unmap(std::uint64_t object) {
    if (object == 0) return refusal;
    std::string text;
    for (extent const& e : all_)
      if (e.object == object) text += "unmap " + range(e.start, e.last, ' ') + " keep=0\n";
    std::erase_if(all_, [&](extent const& e) { return e.object == object; });
    return text + "ok\n";
  }
  [[nodiscard]] std::string dump() const {
    std::string text;
    for (extent const& e : all_) text += "va " + shown(e);
    return text + "ok\n";
  }

  window of_;
  std::vector<extent> all_;  // ascending
};

constexpr std::uint64_t corners[] = {0,
                                     0x10000,
                                     0x20000,
                                     0x100000,
                                     std::uint64_t{1} << 32,
                                     std::uint64_t{1} << 47,
                                     std::uint64_t{1} << 48,
                                     std::uint64_t{1} << 63};
constexpr auto odd_words =
    std::to_array<std::string_view>({"0", "-1", "64K", "0x", "1+1", "0x10-0x11", "4294967295", "4294967296",
                                     "18446744073709551616", "dump", "map", "x", "\r"});

/// A number in one of the ways to write it.
std::string written(std::uint64_t value, unsigned how) {
  if (how % 4 == 0) return std::to_string(value);
  if (how % 4 == 1 && value % 1024 == 0) return hex(value / 1024) + "K";
  return hex(value);
}

std::string address(input& in) {
  std::uint64_t const value = in.near(corners, 0x1000);
  return written(value, static_cast<unsigned>(value >> 12));
}
std::string size(input& in) {
  std::uint64_t const pages = in.count();
  return pages > 1000 ? hex(pages << 53) : written(pages << 12, static_cast<unsigned>(pages));
}

std::string line(input& in) {
  constexpr std::array<std::string_view, 8> verbs{"map", "map", "map", "map", "unmap", "prefetch", "gem_unmap", "dump"};
  std::string const verb(in.one_of(verbs));
  std::string text = verb;
  if (verb != "dump" && verb != "gem_unmap") text += " " + address(in) + " " + size(in);
  if (verb == "gem_unmap" || verb == "map") text += " " + std::to_string(in.below(4));
  if (verb == "map") text += "\t" + address(in);
  std::uint8_t const odd = in.byte();
  if (odd < 2) text += " " + std::string(in.one_of(odd_words));
  if (odd == 2) text += static_cast<char>(in.byte());
  if (odd == 3) text.insert(in.below(static_cast<unsigned>(text.size())), 1, static_cast<char>(in.byte()));
  if (odd >= 240) text += " # " + verb;
  return text + (odd == 239 ? "\r\n" : "\n");
}

std::string setting(char const* key, std::uint64_t value) {
  return key + ("=" + hex(value));
}

int run(bytes all) {
  input in(all);
  window of;
  std::vector<std::string> arguments;
  static memory_file requests;
  static memory_file answers;
  static memory_file messages;
  std::uint8_t const has = in.byte();
  if ((has & 1) != 0) arguments.push_back(setting("start", of.start = in.near(corners, 0x1000)));
  if ((has & 2) != 0) arguments.push_back(setting("size", of.size = in.near(corners, 0x1000)));
  if ((has & 4) != 0) {
    arguments.push_back(setting("reserve_start", of.reserve_start = in.near(corners, 0x1000)));
    arguments.push_back(setting("reserve_size", of.reserve_size = in.count() << 12));
  }
  arguments.emplace_back(requests.path());

  space model(of);
  std::string text;
  std::string expected;
  int expected_status = of.possible() ? 0 : 2;
  std::uint64_t number = 0;
  std::uint64_t wrong_line = 0;
  while (!in.at_end()) {
    std::string const one = line(in);
    if (telling()) tell(one.substr(0, one.size() - 1));
    text += one;
    for (std::size_t from = 0; from < one.size() && expected_status == 0; ++number) {
      std::size_t const end = one.find('\n', from);
      std::string each = one.substr(from, end - from);
      from = end + 1;
      if (each.ends_with('\r') && each.find('#') == std::string::npos) each.pop_back();
      std::optional<std::string> const answer = model.answer(each);
      if (answer) expected += *answer;
      if (!answer) expected_status = 2;
      if (!answer) wrong_line = number + 1;
    }
  }

  requests.set(text);
  answers.set("");
  messages.set("");
  std::vector<char const*> pointers;
  for (std::string const& a : arguments) pointers.push_back(a.c_str());
  std::fflush(stdout);
  int const output = dup(STDOUT_FILENO);
  dup2(answers.descriptor(), STDOUT_FILENO);
  // The stream and not the descriptor, which a sanitizer may need meanwhile.
  std::FILE* const quiet = std::fopen(messages.path(), "w");
  std::FILE* const errors = std::exchange(stderr, quiet);
  int const status = svmsh::vm_bind_main(pointers);
  std::fclose(std::exchange(stderr, errors));
  dup2(output, STDOUT_FILENO);
  close(output);

  std::string const message = messages.content();
  expect(status == expected_status, "svmsh vm_bind ends with another status");
  expect(answers.content() == expected, "svmsh vm_bind gives other answers");
  if (wrong_line == 0)
    expect(message.empty() == (status == 0), "svmsh vm_bind complains of nothing");
  else
    expect(message.starts_with(requests.path() + (":" + std::to_string(wrong_line) + ": ")),
           "svmsh vm_bind complains of another line");
  return 0;
}

registration const registered{"vm_bind", run};

}  // namespace

}  // namespace fuzz::vm_bind
