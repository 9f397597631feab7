// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace support::programs {

enum class protection : std::uint8_t { none, read, read_write };
enum class mapping_kind : std::uint8_t { anon, file, shared };

/// What a process sees at a page.
struct page {
  protection allowed;
  mapping_kind kind;
  unsigned object;      ///< the mapping call that it comes from
  std::uint64_t index;  ///< its place in the object, in pages
  bool lost = false;    ///< a reset took its content
  bool dont_fork = false;
  bool wipe_on_fork = false;
};

/// What the processes of a computer see, whatever the kernel and the library do: pages and words. It knows system calls
/// by their manual, and neither page tables nor GPUs.
class model {
 public:
  static constexpr std::uint64_t page_bytes = 4096;
  static constexpr std::uint64_t end_page = (std::uint64_t{1} << 47) / page_bytes;
  /// How a system call ends; the empty name is success.
  using outcome = std::string;

  model() { processes_.emplace_back(std::in_place); }

  [[nodiscard]] std::size_t processes() const { return processes_.size(); }
  [[nodiscard]] bool runs(std::size_t p) const { return p < processes_.size() && processes_[p].has_value(); }
  [[nodiscard]] page const* find(std::size_t p, std::uint64_t n) const {
    auto const at = processes_[p]->pages.find(n);
    return at == processes_[p]->pages.end() ? nullptr : &at->second;
  }
  /// Of all processes.
  [[nodiscard]] std::uint64_t mapped_pages() const {
    std::uint64_t n = 0;
    for (auto const& p : processes_) n += p ? p->pages.size() : 0;
    return n;
  }
  [[nodiscard]] bool any(std::size_t p, std::uint64_t first, std::uint64_t count) const {
    auto const at = processes_[p]->pages.lower_bound(first);
    return at != processes_[p]->pages.end() && at->first - first < count;
  }

  [[nodiscard]] outcome map(std::size_t p, std::uint64_t first, std::uint64_t count, protection allowed,
                            mapping_kind kind) {
    if (count == 0) return "EINVAL";
    if (!is_user(first, count)) return "ENOMEM";
    if (any(p, first, count)) return "EEXIST";
    ++objects_;
    for (std::uint64_t i = 0; i < count; ++i) put(p, first + i, {allowed, kind, objects_, i});
    return {};
  }
  [[nodiscard]] outcome unmap(std::size_t p, std::uint64_t first, std::uint64_t count) {
    if (count == 0 || !is_user(first, count)) return "EINVAL";
    drop(p, first, count);
    return {};
  }
  /// Stops at the first hole.
  [[nodiscard]] outcome protect(std::size_t p, std::uint64_t first, std::uint64_t count, protection allowed) {
    if (count == 0) return "EINVAL";
    if (!is_user(first, count)) return "ENOMEM";
    for (std::uint64_t n = first; n < first + count; ++n) {
      auto const at = processes_[p]->pages.find(n);
      if (at == processes_[p]->pages.end()) return "ENOMEM";
      at->second.allowed = allowed;
    }
    return {};
  }
  /// Passes over holes. Private memory reads as zero afterwards, what is shared keeps its content.
  [[nodiscard]] outcome dontneed(std::size_t p, std::uint64_t first, std::uint64_t count) {
    return advise(p, first, count, [&](std::uint64_t n, page& at) { empty(p, n, at); });
  }
  /// As `dontneed`, for anonymous memory alone.
  [[nodiscard]] outcome free(std::size_t p, std::uint64_t first, std::uint64_t count) {
    bool all_anonymous = true;
    outcome const end = advise(p, first, count, [&](std::uint64_t n, page& at) {
      if (at.kind == mapping_kind::anon)
        empty(p, n, at);
      else
        all_anonymous = false;
    });
    return all_anonymous ? end : "EINVAL";
  }
  /// Makes every page present, as far as it may be accessed.
  [[nodiscard]] outcome lock(std::size_t p, std::uint64_t first, std::uint64_t count) {
    bool lost = false;
    outcome const end = advise(p, first, count, [&](std::uint64_t, page const& at) {
      lost = lost || (at.lost && at.allowed != protection::none);
    });
    return end.empty() && lost ? "EAGAIN" : end;
  }
  /// Calls `change(page number, page&)` for each page, passing over holes.
  template <class Change>
  [[nodiscard]] outcome advise(std::size_t p, std::uint64_t first, std::uint64_t count, Change&& change) {
    if (count == 0) return "EINVAL";
    if (!is_user(first, count)) return "ENOMEM";
    std::uint64_t found = 0;
    auto& pages = processes_[p]->pages;
    for (auto at = pages.lower_bound(first); at != pages.end() && at->first - first < count; ++at, ++found)
      change(at->first, at->second);
    return found == count ? "" : "ENOMEM";
  }

  /// \param to  the page to move to, or nothing: grow or shrink in place
  [[nodiscard]] outcome remap(std::size_t p, std::uint64_t first, std::uint64_t old_count, std::uint64_t new_count,
                              bool dontunmap, std::optional<std::uint64_t> to) {
    if (old_count == 0 || new_count == 0 || (dontunmap && old_count != new_count)) return "EINVAL";
    if (!is_user(first, old_count) || !is_user(to.value_or(first), new_count)) return "ENOMEM";
    for (std::uint64_t i = 0; i < old_count; ++i)
      if (find(p, first + i) == nullptr || (i != 0 && !joined(p, first + i))) return "EFAULT";
    if (!to) {
      if (new_count < old_count) drop(p, first + new_count, old_count - new_count);
      if (new_count <= old_count) return {};
      if (any(p, first + old_count, new_count - old_count)) return "ENOMEM";
      grow(p, first + old_count, new_count - old_count, *find(p, first + old_count - 1));
      return {};
    }
    if (any(p, *to, new_count)) return "EEXIST";
    page const last = *find(p, first + old_count - 1);
    for (std::uint64_t i = 0; i < old_count && i < new_count; ++i) {
      page const moved = *find(p, first + i);
      put(p, *to + i, moved);
      processes_[p]->pages.at(first + i).lost = false;
      move_words(p, first + i, *to + i);
    }
    if (!dontunmap) drop(p, first, old_count);
    if (new_count > old_count) grow(p, *to + old_count, new_count - old_count, last);
    return {};
  }

  /// The child has the next number.
  void fork(std::size_t parent) {
    processes_.emplace_back(*processes_[parent]);
    std::size_t const child = processes_.size() - 1;
    auto& pages = processes_[child]->pages;
    for (auto at = pages.begin(); at != pages.end();) {
      auto& [n, what] = *at;
      if (what.dont_fork || (what.wipe_on_fork && what.kind != mapping_kind::shared)) drop_words(child, n);
      if (what.wipe_on_fork && what.kind != mapping_kind::shared) what.lost = false;
      if (!what.dont_fork && what.kind == mapping_kind::shared) ++shown_[{what.object, what.index}];
      at = what.dont_fork ? pages.erase(at) : std::next(at);
    }
  }
  void exit(std::size_t p) {
    drop(p, 0, end_page);
    processes_[p].reset();
  }
  void lose(std::size_t p, std::uint64_t n) { processes_[p]->pages.at(n).lost = true; }
  [[nodiscard]] bool any_lost() const {
    for (auto const& p : processes_)
      if (p)
        for (auto const& [n, what] : p->pages)
          if (what.lost) return true;
    return false;
  }

  /// \pre the page is mapped
  [[nodiscard]] std::uint64_t word(std::size_t p, std::uint64_t address) const {
    page const& at = *find(p, address / page_bytes);
    if (at.kind == mapping_kind::shared) return value_or_zero(shared_, shared_place(at, address));
    return value_or_zero(processes_[p]->words, address);
  }
  /// \pre the page is mapped
  void set_word(std::size_t p, std::uint64_t address, std::uint64_t value) {
    page const& at = *find(p, address / page_bytes);
    if (at.kind == mapping_kind::shared)
      shared_[shared_place(at, address)] = value;
    else
      processes_[p]->words[address] = value;
  }
  /// Calls `visit(address)` for each private word that was ever written and is still there.
  template <class Visit>
  void for_each_word(std::size_t p, Visit&& visit) const {
    for (auto const& [address, value] : processes_[p]->words) visit(address);
  }

 private:
  struct process {
    std::map<std::uint64_t, page> pages;
    std::map<std::uint64_t, std::uint64_t> words;  ///< of private pages, by address
  };
  using place = std::pair<unsigned, std::uint64_t>;

  [[nodiscard]] static bool is_user(std::uint64_t first, std::uint64_t count) {
    return first <= end_page && count <= end_page - first;
  }
  template <class Map, class Key>
  [[nodiscard]] static std::uint64_t value_or_zero(Map const& words, Key const& key) {
    auto const at = words.find(key);
    return at == words.end() ? 0 : at->second;
  }
  [[nodiscard]] static place shared_place(page const& at, std::uint64_t address) {
    return {at.object, at.index * page_bytes + address % page_bytes};
  }

  /// Whether a page is of the same VMA as the one below it, which is mapped.
  [[nodiscard]] bool joined(std::size_t p, std::uint64_t n) const {
    page const& here = *find(p, n);
    page const& below = *find(p, n - 1);
    if (here.allowed != below.allowed || here.kind != below.kind) return false;
    return here.kind == mapping_kind::anon || (here.object == below.object && here.index == below.index + 1);
  }
  void put(std::size_t p, std::uint64_t n, page const& what) {
    processes_[p]->pages.insert_or_assign(n, what);
    if (what.kind == mapping_kind::shared) ++shown_[{what.object, what.index}];
  }
  void grow(std::size_t p, std::uint64_t first, std::uint64_t count, page const& after) {
    for (std::uint64_t i = 0; i < count; ++i)
      put(p, first + i,
          {after.allowed, after.kind, after.object, after.index + 1 + i, false, after.dont_fork, after.wipe_on_fork});
  }
  void empty(std::size_t p, std::uint64_t n, page& at) {
    at.lost = false;
    if (at.kind != mapping_kind::shared) drop_words(p, n);
  }
  void drop_words(std::size_t p, std::uint64_t n) {
    auto& words = processes_[p]->words;
    words.erase(words.lower_bound(n * page_bytes), words.lower_bound((n + 1) * page_bytes));
  }
  /// A page of shared memory that nobody maps any more loses its content.
  void drop(std::size_t p, std::uint64_t first, std::uint64_t count) {
    auto& pages = processes_[p]->pages;
    for (auto at = pages.lower_bound(first); at != pages.end() && at->first - first < count; at = pages.erase(at)) {
      if (at->second.kind != mapping_kind::shared) {
        drop_words(p, at->first);
        continue;
      }
      place const what{at->second.object, at->second.index};
      if (--shown_[what] != 0) continue;
      shown_.erase(what);
      shared_.erase(shared_.lower_bound({what.first, what.second * page_bytes}),
                    shared_.lower_bound({what.first, (what.second + 1) * page_bytes}));
    }
  }
  void move_words(std::size_t p, std::uint64_t from, std::uint64_t to) {
    auto& words = processes_[p]->words;
    for (auto at = words.lower_bound(from * page_bytes); at != words.end() && at->first < (from + 1) * page_bytes;) {
      words[to * page_bytes + at->first % page_bytes] = at->second;
      at = words.erase(at);
    }
  }

  std::deque<std::optional<process>> processes_;
  std::map<place, std::uint64_t> shared_;  ///< words by object and byte
  std::map<place, unsigned> shown_;        ///< how many pages of processes show a page of shared memory
  unsigned objects_ = 0;
};

}  // namespace support::programs
