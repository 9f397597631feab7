// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include <svm/base/page_mask.hpp>
#include <svm/placement/block_tree.hpp>
#include <svm/placement/eviction_classes.hpp>
#include <svm/placement/group_eviction.hpp>
#include <svm/placement/recency.hpp>
#include <svm/placement/uvm_options.hpp>

namespace svm::inline v0::placement {

struct evictable_block;

/// What goes in one piece where allocations are the unit: the pages that one service brought into one range.
struct eviction_unit : aged {
  evictable_block* owner = nullptr;
  page_mask pages{};
  eviction_unit* next = nullptr;  ///< of the block; or of the spare ones
  std::uint64_t passed_over = 0;  ///< in which making of room it could not go
};

/// A group of 64 KiB in the order of groups.
struct eviction_group : aged {
  evictable_block* owner = nullptr;
  bool listed = false;
  std::uint64_t passed_over = 0;
};

/// What making room knows of a block.
struct evictable_block : evictable {
  static constexpr unsigned groups_most = 32;

  std::uint64_t number = 0;  ///< by address, for ties
  block_window where{};
  page_mask present{};  ///< pages in the device's memory, as far as the policy was told
  page_mask held{};     ///< pages that stay unless blocks go whole: pinned and, for the tree, thrashing ones
  std::uint64_t passed_over = 0;
  eviction_unit* units = nullptr;
  std::array<eviction_group, groups_most> groups{};
};

/// Which pages go next: some of a block, or none.
struct eviction_victim {
  evictable_block* from = nullptr;
  page_mask pages{};
};

/// The four orders of victims, over the blocks of one device and address space. No memory and no lock of its own: units
/// come from the user, and come back to it.
class eviction_policy {
 public:
  explicit eviction_policy(eviction_mode mode) : mode_(mode) {}
  eviction_policy(eviction_policy const&) = delete;
  eviction_policy& operator=(eviction_policy const&) = delete;

  [[nodiscard]] eviction_mode mode() const { return mode_; }
  /// Whether `arrived` needs a unit.
  [[nodiscard]] bool has_units() const { return mode_ == eviction_mode::oldest || mode_ == eviction_mode::touched; }
  /// Gives a unit for the next arrival.
  void give(eviction_unit& fresh) {
    fresh.next = spare_;
    spare_ = &fresh;
  }
  /// A unit that is not in use, or null.
  [[nodiscard]] eviction_unit* take_spare() {
    eviction_unit* const u = spare_;
    if (u != nullptr) spare_ = u->next;
    return u;
  }
  [[nodiscard]] bool has_spare() const { return spare_ != nullptr; }

  /// Whether `moving` pages of a block have their room: `free` is in pages, as is the capacity. Of whole blocks a block
  /// takes all of its room with its first page.
  [[nodiscard]] bool has_room(evictable_block const& b, unsigned moving, std::uint64_t free,
                              std::uint64_t capacity) const {
    if (mode_ != eviction_mode::uvm) return free >= moving;
    if (b.present.any()) return free >= moving;
    return (blocks_ + 1) * block_pages(b) <= capacity && free >= moving;
  }

  /// Pages are used now; `moment` is never before that of an earlier call.
  void touch(evictable_block& b, page_mask const& pages, std::uint64_t moment) {
    if (mode_ == eviction_mode::uvm && b.present.any()) classes_.served(b);
    if (mode_ == eviction_mode::touched)
      for (eviction_unit* u = b.units; u != nullptr; u = u->next)
        if (u->pages.meets(pages)) ages_.touch(*u, moment);
    if (mode_ == eviction_mode::density) for_each_group(b, pages, [&](unsigned g) { touch_group(b, g, moment); });
  }

  /// Pages came into the device's memory.
  ///
  /// \pre a unit is spare, where units are
  void arrived(evictable_block& b, page_mask const& pages, std::uint64_t moment) {
    if (pages.none()) return;
    if (b.present.none()) ++blocks_;
    take_from_units(b, pages);
    b.present |= pages;
    if (mode_ == eviction_mode::uvm) classes_.served(b);
    if (mode_ == eviction_mode::density) for_each_group(b, pages, [&](unsigned g) { touch_group(b, g, moment); });
    if (!has_units()) return;
    eviction_unit& u = *take_spare();
    u.owner = &b;
    u.pages = pages;
    u.next = std::exchange(b.units, &u);
    ages_.insert(u, moment, ++made_);
  }

  /// Pages left the device's memory, in whatever way.
  void left(evictable_block& b, page_mask pages) {
    bool const had_any = b.present.any();
    b.present -= pages;
    take_from_units(b, pages);
    if (mode_ == eviction_mode::density)
      for (unsigned g = 0; g < evictable_block::groups_most; ++g)
        if (b.groups[g].listed && !b.present.meets(group_pages(b, g))) {
          group_order_.erase(b.groups[g]);
          b.groups[g].listed = false;
        }
    if (!had_any || b.present.any()) return;
    --blocks_;
    if (mode_ == eviction_mode::uvm) classes_.remove(b);
  }
  /// All that the device has of a block is discarded: where blocks go whole it goes before those that are in use.
  void discarded(evictable_block& b) {
    if (mode_ == eviction_mode::uvm && b.present.any()) classes_.discarded(b);
  }
  /// Whether a block went because it was discarded.
  [[nodiscard]] bool went_as_discarded(evictable_block const& b) const {
    return mode_ == eviction_mode::uvm && b.evicted_as() == eviction_class::discarded;
  }
  /// Tells what of a block is in the device's memory, where that may have changed behind the policy's back.
  void found(evictable_block& b, page_mask const& resident, std::uint64_t moment) {
    left(b, b.present - resident);
    page_mask const strange = resident - b.present;  // came by other ways: no unit has them
    if (b.present.none() && strange.any()) ++blocks_;
    b.present |= strange;
    if (mode_ == eviction_mode::uvm && b.present.any() && !classes_.is_listed(b)) classes_.served(b);
    if (mode_ == eviction_mode::density)
      for_each_group(b, strange, [&](unsigned g) {
        if (!b.groups[g].listed) touch_group(b, g, moment);
      });
  }

  /// Room is about to be made: whatever was passed over may go again.
  void begin_room() { ++room_; }
  /// The pages that go next for a service of `serving`, whose pages `kept` stay; nothing when none may go. What does not
  /// go after all is passed over until room is made again, or found again by who looks.
  [[nodiscard]] eviction_victim next_victim(evictable_block& serving, page_mask const& kept) {
    auto const kept_of = [&](evictable_block const& b) { return &b == &serving ? kept : page_mask{}; };
    if (mode_ == eviction_mode::uvm) {
      evictable_block* const b =
          classes_.take_victim([&](evictable_block const& x) { return &x != &serving && x.passed_over != room_; });
      if (b == nullptr) return rest_of(serving, kept);
      classes_.evicted(*b, true);  // what is left of it is listed again when it is found
      last_ = &b->passed_over;
      return {b, b->present};
    }
    if (mode_ == eviction_mode::density) {
      eviction_group* const g = group_order_.victim([&](eviction_group const& x) {
        page_mask const pages = group_pages(*x.owner, number_of(x)) & x.owner->present;
        return x.passed_over != room_ && (pages - kept_of(*x.owner) - x.owner->held).any();
      });
      if (g == nullptr) return {};
      last_ = &g->passed_over;
      evictable_block& b = *g->owner;
      page_mask const stays = kept_of(b) | b.held;
      unsigned const first = ((group_pages(b, number_of(*g)) & b.present) - stays).next(0);
      // The window is that of the last service: of another mapping in the block, maybe.
      block_window where = b.where;
      if (!where.window.contains(first)) where.window = {0, block_pages(b)};
      return {&b, evicted_with(where, b.present, stays, first)};
    }
    auto const stay_of = [&](evictable_block const& b) { return kept_of(b) | b.held; };
    eviction_unit* const u = ages_.victim(
        [&](eviction_unit const& x) { return x.passed_over != room_ && (x.pages - stay_of(*x.owner)).any(); });
    if (u == nullptr) return {};
    last_ = &u->passed_over;
    return {u->owner, u->pages - stay_of(*u->owner)};
  }
  /// The last victim could not go.
  void pass_over() { *last_ = room_; }

  /// Takes a block out of all orders; its units become spare.
  void forget(evictable_block& b) {
    left(b, b.present);
    if (classes_.is_listed(b)) classes_.remove(b);
  }

 private:
  /// What a block can spare of itself, where no other is left.
  [[nodiscard]] eviction_victim rest_of(evictable_block& b, page_mask const& kept) {
    page_mask const rest = b.present - kept;
    if (rest.none() || b.passed_over == room_) return {};
    last_ = &b.passed_over;
    return {&b, rest};
  }
  [[nodiscard]] static unsigned block_pages(evictable_block const& b) {
    return evictable_block::groups_most * b.where.group_pages;
  }
  [[nodiscard]] static page_mask group_pages(evictable_block const& b, unsigned g) {
    unsigned const n = b.where.group_pages;
    return page_mask{page_span{g * n, (g + 1) * n}};
  }
  [[nodiscard]] static unsigned number_of(eviction_group const& g) {
    return static_cast<unsigned>(&g - g.owner->groups.data());
  }
  template <class Visit>
  static void for_each_group(evictable_block const& b, page_mask const& pages, Visit&& visit) {
    for (unsigned p = pages.next(0); p != page_mask::pages;) {
      unsigned const g = p / b.where.group_pages;
      visit(g);
      unsigned const after = (g + 1) * b.where.group_pages;
      p = after >= page_mask::pages ? page_mask::pages : pages.next(after);
    }
  }

  void touch_group(evictable_block& b, unsigned g, std::uint64_t moment) {
    eviction_group& entry = b.groups[g];
    entry.owner = &b;
    if (std::exchange(entry.listed, true))
      group_order_.touch(entry, moment);
    else
      group_order_.insert(entry, moment, b.number * evictable_block::groups_most + g);
  }

  /// Pages that came or went are no longer an older unit's.
  void take_from_units(evictable_block& b, page_mask const& pages) {
    for (eviction_unit** link = &b.units; *link != nullptr;) {
      eviction_unit& u = **link;
      u.pages -= pages;
      if (u.pages.any()) {
        link = &u.next;
        continue;
      }
      ages_.erase(u);
      *link = u.next;
      give(u);
    }
  }

  eviction_mode const mode_;
  recency_order<eviction_unit> ages_;
  recency_order<eviction_group> group_order_;
  eviction_classes<evictable_block> classes_;
  eviction_unit* spare_ = nullptr;
  std::uint64_t made_ = 0;
  std::uint64_t room_ = 0;
  std::uint64_t* last_ = nullptr;  ///< of the last victim: where it is noted that it was passed over
  std::uint64_t blocks_ = 0;       ///< that have a page present
};

}  // namespace svm::inline v0::placement
