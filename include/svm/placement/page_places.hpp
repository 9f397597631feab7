// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/page_mask.hpp>
#include <svm/placement/processor.hpp>
#include <svm/placement/range_policy.hpp>
#include <svm/placement/residency.hpp>
#include <svm/placement/thrashing.hpp>
#include <svm/placement/topology.hpp>

namespace svm::inline v0::placement {

/// Where pages of a block are, as one GPU sees it. A page is in one place at most.
struct page_copies {
  page_mask here{};     ///< in its own memory
  page_mask system{};   ///< in system memory
  page_mask reached{};  ///< in the memory of another GPU that it can map
  page_mask beyond{};   ///< in memory that it cannot map
};

/// Where the pages of a service go.
struct destinations {
  page_mask to_requester{};
  page_mask to_system{};   ///< or they are there, and stay
  page_mask stay{};        ///< in another GPU's memory, and are mapped there
  page_mask to_another{};  ///< to the GPU that prefers them, whose memory the requester reaches
  page_mask duplicates{};  ///< stay where they are, and the requester gets copies (rule F3)
};

/// The residency ladder (rule F1) for many pages: pages that are in the same place go to the same one.
class page_places {
 public:
  /// \param self  the GPU whose faults are served
  constexpr page_places(processor self, range_policy const& policy, page_copies const& now)
      : self_(self), policy_(policy), now_(now), links_(processor_set{self} | reached() | beyond() | cpu) {
    links_.connect(self, cpu, {});
    links_.connect(self, reached(), {});
  }

  /// The GPU that stands for all others which `self` can map.
  [[nodiscard]] static constexpr processor reached_by(processor self) { return gpu(self.id % gpus); }

  /// Who has a page in memory.
  [[nodiscard]] constexpr processor_set copies(unsigned page) const {
    if (now_.here.test(page)) return self_;
    if (now_.system.test(page)) return cpu;
    if (now_.reached.test(page)) return reached();
    return now_.beyond.test(page) ? processor_set{beyond()} : processor_set{};
  }
  /// Where one page goes.
  [[nodiscard]] constexpr residence place(unsigned page, bool is_counter, thrash_hint const& hint = {}) const {
    return place_of(copies(page), is_counter, hint);
  }
  /// Where faulted pages go.
  [[nodiscard]] constexpr destinations choose(page_mask const& pages) const {
    destinations to;
    page_mask const somewhere = now_.here | now_.system | now_.reached | now_.beyond;
    put(to, pages & now_.here, self_);
    put(to, pages & now_.system, cpu);
    put(to, pages & now_.reached, reached());
    put(to, pages & now_.beyond, beyond());
    put(to, pages - somewhere, {});
    return to;
  }

 private:
  // Two others stand for all others: what matters is whether they are reached.
  static constexpr unsigned gpus = processor::most - 1;
  [[nodiscard]] constexpr processor reached() const { return reached_by(self_); }
  [[nodiscard]] constexpr processor beyond() const { return gpu((self_.id + 1u) % gpus); }

  [[nodiscard]] constexpr residence place_of(processor_set copies, bool is_counter, thrash_hint const& hint) const {
    return residency(links_, policy_, {.requester = self_, .copies = copies, .is_counter = is_counter, .hint = hint});
  }
  constexpr void put(destinations& to, page_mask const& pages, processor_set copies) const {
    if (pages.none()) return;
    residence const at = place_of(copies, false, {});
    bool const is_copied = at.duplicate && !copies.empty() && !copies.contains(at.where);
    (is_copied                   ? to.duplicates
     : at.where == self_         ? to.to_requester
     : at.where == cpu           ? to.to_system
     : copies.contains(at.where) ? to.stay
                                 : to.to_another) |= pages;
  }

  processor self_;
  range_policy policy_;
  page_copies now_;
  topology links_;
};

}  // namespace svm::inline v0::placement
