// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// A recogniser of svmsh's scenario language that shares nothing with svmsh's own parser.

#include "grammar.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>

namespace fuzz::grammar {

namespace {

using std::string_view;

constexpr string_view all_forms[] = {
    "machine OPTION *",
    "mmap NEW SIZE [ r|rw|none ] [ anon|file|shared|hugetlb ] [ at=ADDR ] [ -> ERRNO ]",
    "munmap ADDR SIZE [ -> ERRNO ]",
    "mprotect ADDR SIZE r|rw|none [ -> ERRNO ]",
    "mremap ADDR SIZE SIZE [ dontunmap ] [ to=ADDR ] [ -> ERRNO ]",
    "madvise ADDR SIZE dontneed|hugepage|nohugepage [ -> ERRNO ]",
    "fork NEWCHILD [ -> ERRNO ]",
    "exit CHILD [ -> ERRNO ]",
    "cpu read ADDR [ = VALUE ] [ -> ERRNO ]",
    "cpu write ADDR VALUE [ -> ERRNO ]",
    "cpu fill|check ADDR SIZE VALUE [ -> ERRNO ]",
    "GPU read ADDR [ = VALUE ] [ -> ERRNO ]",
    "GPU write|atomic_add ADDR VALUE [ -> ERRNO ]",
    "GPU fill|check ADDR SIZE VALUE [ -> ERRNO ]",
    "GPU prefetch ADDR SIZE [ ram|vram ] [ -> ERRNO ]",
    "GPU advise ADDR SIZE [ -> ERRNO ]",  // on a machine with faults=off
    "GPU evict all [ -> ERRNO ]",
    "GPU evict ADDR [ -> ERRNO ]",
    "GPU reset [ -> ERRNO ]",
    "gc [ -> ERRNO ]",
    "tick VALUE [ -> ERRNO ]",
    "fail alloc|ram|dma_map|copy|populate|notifier NTH [ -> ERRNO ]",
    "show ranges|notifiers|vmas",
    "show stats [ all ]",
    "show pages ADDR SIZE",
    "expect ranges|notifiers VALUE",
    "expect GPU ranges VALUE",
    "expect range ADDR ADDR SIZE vram|ram|mixed|none",
    "expect no range ADDR",
    "expect pages ADDR SIZE none|ram",
    "expect pages ADDR SIZE VRAM",
    "expect stat STAT ==|!=|<|<=|>|>= VALUE",
};

constexpr string_view errors[] = {"EINVAL", "EFAULT",     "ENOENT", "EPERM",  "EACCES", "ENOMEM",  "EBUSY",  "EAGAIN",
                                  "ETIME",  "EOPNOTSUPP", "EEXIST", "ENODEV", "SIGBUS", "ENODATA", "SIGSEGV"};
constexpr string_view statistics[] = {
    "gpu_faults",        "gpu_fault_retries",  "ranges_created",    "ranges_removed",    "notifiers_created",
    "notifiers_removed", "migrations_to_vram", "migrations_to_ram", "migrations_failed", "bytes_to_vram",
    "bytes_to_ram",      "bytes_peer",         "dma_mapped_pages",  "vram_used",         "ram_used",
    "cpu_faults",        "invalidations",      "tlb_flushes"};

struct option_form {
  string_view key;
  string_view words;  ///< the words that it may be, or empty: a number
  std::uint64_t least = 0;
  std::uint64_t most = UINT64_MAX;
};
constexpr option_form options[] = {
    {"ram", ""},
    {"vram", ""},
    {"gpus", "", 1, 64},
    {"notifier", ""},
    {"check_pages", ""},
    {"migrate", "on|off|only"},
    {"timeslice", "", 0, std::uint64_t{1} << 32},
    {"readonly", "on|off"},
    {"split", "on|off"},
    {"gc", "auto|manual"},
    {"thp", "on|off"},
    {"thrash", "on|off|slice"},
    {"evict", "oldest|touched|uvm|density"},
    {"faults", "on|off"},
    {"vm_start", ""},
    {"vm_size", ""},
    {"seed", ""},
};

template <class List>
bool among(string_view word, List const& list) {
  return std::ranges::find(list, word) != std::end(list);
}

std::vector<string_view> cut(string_view text, char at) {
  std::vector<string_view> parts;
  for (std::size_t end = 0; end != string_view::npos; text.remove_prefix(end == string_view::npos ? 0 : end + 1)) {
    end = text.find(at);
    parts.push_back(text.substr(0, end));
  }
  return parts;
}

std::optional<std::uint64_t> digits(string_view word, unsigned base) {
  if (word.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (char const c : word) {
    std::size_t const digit =
        string_view("0123456789abcdef").find(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    if (digit >= base || value > (UINT64_MAX - digit) / base) return std::nullopt;
    value = value * base + digit;
  }
  return value;
}

/// Whether a word is of a class, to which the numbers in it are added.
bool is(string_view type, string_view word, world const& in, std::vector<std::uint64_t>& numbers) {
  auto const take = [&](std::optional<std::uint64_t> const& value) {
    if (value) numbers.push_back(*value);
    return value.has_value();
  };
  auto const numbered = [&](string_view head) {
    if (!word.starts_with(head)) return false;
    string_view const rest = word.substr(head.size());
    auto const n = number(rest);
    return n && rest.find_first_not_of("0123456789") == string_view::npos && *n < in.gpus;
  };
  if (type == "SIZE" || type == "VALUE") return take(number(word));
  if (type == "NTH") return take(number(word)) && numbers.back() != 0;
  if (type == "ADDR") return take(address(word, in));
  if (type.ends_with("=ADDR")) {
    string_view const key = type.substr(0, type.size() - 4);
    return word.starts_with(key) && take(address(word.substr(key.size()), in));
  }
  if (type == "NEW") return name(word) && !in.names.contains(word);
  if (type == "NEWCHILD") return name(word) && !in.running.contains(word) && !in.exited.contains(word);
  if (type == "CHILD") return in.running.contains(word);
  if (type == "GPU") return word == "gpu" || numbered("gpu");
  if (type == "VRAM") return numbered("vram");
  if (type == "OPTION") return option(word);
  if (type == "ERRNO") return among(word, errors);
  if (type == "STAT") return among(word, statistics);
  return among(word, cut(type, '|'));
}

/// Whether the words are what the parts of a form ask for.
bool match(std::span<string_view const> form, std::span<std::string const> words, world const& in,
           std::vector<std::uint64_t>& numbers) {
  if (form.empty()) return words.empty();
  std::size_t const before = numbers.size();
  if (form.front() == "[") {
    auto const end = static_cast<std::size_t>(std::ranges::find(form, "]") - form.begin());
    std::vector<string_view> with(form.begin() + 1, form.begin() + static_cast<std::ptrdiff_t>(end));
    with.insert(with.end(), form.begin() + static_cast<std::ptrdiff_t>(end) + 1, form.end());
    if (match(with, words, in, numbers)) return true;
    numbers.resize(before);
    return match(form.subspan(end + 1), words, in, numbers);
  }
  if (form.front() == "*") {
    std::vector<std::uint64_t> none;
    return std::ranges::all_of(words, [&](std::string const& w) { return is("OPTION", w, in, none); });
  }
  return !words.empty() && is(form.front(), words.front(), in, numbers) &&
         match(form.subspan(1), words.subspan(1), in, numbers);
}

}  // namespace

std::vector<std::string> words_of(string_view line) {
  std::vector<std::string> words(1);
  for (char const c : line) {
    if (c == '#') break;
    if (c != ' ' && c != '\t')
      words.back() += c;
    else if (!words.back().empty())
      words.emplace_back();
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

std::optional<std::uint64_t> number(string_view word) {
  std::uint64_t factor = 1;
  string_view const letters = "KMGT";
  if (!word.empty() && letters.find(word.back()) != string_view::npos) {
    for (std::size_t i = 0; i <= letters.find(word.back()); ++i) factor *= 1024;
    word.remove_suffix(1);
  }
  if (word.size() > 1 && word[0] == '0' && word[1] != 'x') return std::nullopt;
  std::optional<std::uint64_t> const value = word.starts_with("0x") ? digits(word.substr(2), 16) : digits(word, 10);
  if (!value || (*value * factor) / factor != *value) return std::nullopt;
  return *value * factor;
}

bool name(string_view word) {
  if (word.empty() || (word[0] >= '0' && word[0] <= '9')) return false;
  return std::ranges::all_of(word, [](char c) { return c == '_' || (c > 0 && std::isalnum(c)); });
}

std::optional<std::uint64_t> address(string_view word, world const& in) {
  std::size_t const sign = std::min(word.find('+'), word.find('-'));
  string_view const head = word.substr(0, sign);
  auto const bound = in.names.find(head);
  std::optional<std::uint64_t> const base =
      name(head) ? bound == in.names.end() ? std::nullopt : std::optional(bound->second) : number(head);
  if (!base || sign == string_view::npos) return base;
  std::optional<std::uint64_t> const more = number(word.substr(sign + 1));
  if (!more) return std::nullopt;
  std::uint64_t const sum = word[sign] == '+' ? *base + *more : *base - *more;
  return (word[sign] == '+') == (sum >= *base) || *more == 0 ? std::optional(sum) : std::nullopt;
}

bool option(string_view word) {
  std::size_t const equals = word.find('=');
  if (equals == string_view::npos) return false;
  string_view const key = word.substr(0, equals);
  string_view const value = word.substr(equals + 1);
  std::optional<std::uint64_t> const n = number(value);
  if (key == "page") return n == 4096u || n == 16384u || n == 65536u;
  if (key == "chunks") {
    std::vector<string_view> const sizes = cut(value, ',');
    return sizes.size() <= 64 && std::ranges::all_of(sizes, [](string_view s) { return number(s).has_value(); });
  }
  for (option_form const& o : options)
    if (o.key == key) return o.words.empty() ? n && *n >= o.least && *n <= o.most : among(value, cut(o.words, '|'));
  return false;
}

std::span<string_view const> forms() {
  return all_forms;
}

std::optional<std::vector<std::uint64_t>> command(std::span<std::string const> words, world const& in) {
  bool const of_child = !words.empty() && words.front().starts_with('@');
  if (of_child) {
    if (!in.running.contains(words.front().substr(1))) return std::nullopt;
    words = words.subspan(1);
  }
  for (string_view const form : all_forms) {
    std::vector<std::uint64_t> numbers;
    if (form.starts_with("machine") && (of_child || !in.first)) continue;
    if (match(cut(form, ' '), words, in, numbers)) return numbers;
  }
  return std::nullopt;
}

}  // namespace fuzz::grammar
