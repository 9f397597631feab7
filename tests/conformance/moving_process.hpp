// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// A process where taking a page away and moving it are one step, as it is with userfaultfd.

#include <conformance/wide_process.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace wide {

/// The model of `svm::mm` that collects into destinations. What it has moved is not at the source any more.
class moving_process : public process {
 public:
  static constexpr bool collects_into_destination = true;

  explicit moving_process(memory& pages) : process(pages), memory_(pages) {}

  [[nodiscard]] svm::errc collect(migration& session, svm::va_range span, std::span<slot> slots,
                                  svm::page_owner reach) noexcept {
    svm::errc const e = process::collect(session, span, slots, reach);
    if (e != svm::errc::ok) return e;
    fit(session);
    for_each_page(session, [&](std::size_t i, page to) {
      if (to != page{} && slots[i].state == svm::slot_state::collected && !memory_.of(slots[i].source).is_device)
        take_over(slots[i], to);
    });
    return svm::errc::ok;
  }
  void collect_pages(migration& session, std::span<slot> slots, svm::page_scope const* within, page faulting) noexcept {
    process::collect_pages(session, slots, within, faulting);
    for (slot& s : slots)
      if (s.state == svm::slot_state::collected) s.state = svm::slot_state::moved;
  }
  void install(migration& session) noexcept {
    process::install(session);
    if (!session.named) return;
    for_each_page(session, [&](std::size_t i, page to) {
      if (session.moved[i]) move_bytes(session.slots[i].source, to);
    });
  }

 protected:
  ~moving_process() = default;

  /// Moves the bytes of a page that was collected to its destination, and says so.
  virtual void take_over(slot& s, page to) {
    move_bytes(s.source, to);
    s.state = svm::slot_state::moved;
  }
  virtual void move_bytes(page from, page to) {
    memory_.of(to).bytes = memory_.of(from).bytes;
    memory_.of(from).bytes.fill(std::byte{0xdd});
  }
  /// Makes the blocks of sources and of destinations alike.
  virtual void fit(migration& session) {
    auto const slots = session.slots;
    for (std::size_t i = 0; i < slots.size(); ++i)
      if (slots[i].destination_order != slots[i].order || !slots[i].is_collected()) split_destination(slots, i);
    for (std::size_t i = 0; i < slots.size(); ++i)
      if (slots[i].order != slots[i].destination_order) split_source(session, i);
  }
  [[nodiscard]] bool is_wanted(migration const& session, std::size_t i) override {
    for (std::size_t k = 0; k <= i; ++k)
      if (slot const& s = session.slots[k]; s.destination != page{} && i - k < s.destination_order.pages().value)
        return true;
    return false;
  }
  void bring_back(migration& session) override {
    for_each_page(session, [&](std::size_t i, page to) {
      slot const& s = session.slots[i];
      if (!session.named && !session.moved[i] && s.state == svm::slot_state::moved) move_bytes(to, s.source);
    });
  }

 private:
  /// Calls `visit(slot, page of its destination, if it has one)` for each slot.
  template <class Visit>
  static void for_each_page(migration const& session, Visit&& visit) {
    std::size_t first = 0;
    for (std::size_t i = 0; i < session.slots.size(); ++i) {
      if (session.slots[i].destination != page{}) first = i;
      slot const& s = session.slots[first];
      bool const is_covered = s.destination != page{} && i - first < s.destination_order.pages().value;
      visit(i, is_covered ? nth(s.destination, i - first) : page{});
    }
  }
  void split_destination(std::span<slot> slots, std::size_t i) {
    page const first = slots[i].destination;
    std::uint64_t const count = slots[i].destination_order.pages().value;
    if (first == page{} || count == 1) return;
    memory_.split(first, {}, true);
    for (std::size_t k = 0; k < count; ++k) {
      slots[i + k].destination = nth(first, k);
      slots[i + k].destination_order = {};
    }
  }
  void split_source(migration& session, std::size_t i) {
    auto const block = session.slots.subspan(i, session.slots[i].order.pages().value);
    bool const moves = std::any_of(block.begin(), block.end(), [](slot const& s) { return s.destination != page{}; });
    if (!moves) return;
    if (block[0].has_page()) memory_.split(block[0].source, {}, true);
    for (slot& s : block) {
      s.follows = false;
      s.order = {};
    }
  }

  memory& memory_;
};
static_assert(svm::mm<moving_process> && svm::collects_into_destination<moving_process>);

}  // namespace wide
