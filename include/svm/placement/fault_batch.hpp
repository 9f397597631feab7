// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include <svm/placement/constants.hpp>
#include <svm/placement/fault_entry.hpp>
#include <svm/placement/sort.hpp>

namespace svm::inline v0::placement {

/// How far a batch reads into the ring.
enum class fetch_mode : std::uint8_t {
  ready,  ///< stop at an entry that the GPU has not finished writing, unless it is the first
  all,    ///< wait for every entry up to PUT
};
/// Which faults are merged.
enum class merging : std::uint8_t {
  all,
  one_microtlb,  ///< those of one uTLB: a cancel is told to it
  none,
};
/// How far a flush of the ring goes.
enum class flush_mode : std::uint8_t {
  cached_put,  ///< up to the PUT that was read last
  update_put,  ///< up to what the device says now
};

/// What a context turned out to be.
struct translated {
  enum class kind : std::uint8_t { live, stale, dead };

  kind what = kind::stale;
  std::uint32_t space = 0;
  processor gpu = nobody;
};

/// A batch of faults out of a GPU's ring: fetched, merged and put in order (rules C1 and C2). It holds its entries, and
/// takes no memory. Its size counts entries of the ring, merged ones too.
///
/// `Ring` is the hardware: `unsigned size()`, `unsigned put()` asks the device; `bool is_valid(unsigned)`;
/// `hardware_fault take(unsigned)` reads an entry and makes it invalid; `void set_get(unsigned)` tells the device;
/// `bool wait()` lets time pass before an entry is looked at again, and is false when the device has failed.
template <class Ring, unsigned Capacity = defaults::batch_faults, unsigned MicroTlbs = defaults::microtlbs>
class fault_batch {
 public:
  static_assert(Capacity > 0 && Capacity <= 65536 && MicroTlbs > 0);

  explicit fault_batch(Ring& ring, unsigned limit = Capacity)
      : ring_(ring), limit_(limit == 0 || limit > Capacity ? Capacity : limit) {}

  /// Takes faults out of the ring; false when the device failed meanwhile, with what was fetched until then.
  bool fetch(fetch_mode mode, merging merges = merging::all) {
    clear();
    unsigned const begin = get_;
    if (get_ == put_) put_ = ring_.put();
    bool lives = true;
    while (get_ != put_ && (mode == fetch_mode::all ? count_ < Capacity : cached_ < limit_)) {
      if (!ring_.is_valid(get_)) {
        if (mode == fetch_mode::ready && cached_ != 0) break;
        if (!(lives = wait_for(get_))) break;
      }
      add(ring_.take(get_), merges);
      get_ = next(get_);
    }
    if (get_ != begin) ring_.set_get(get_);
    return lives;
  }

  /// Throws away what is in the ring, each entry once it is valid; false when the device failed.
  bool flush(flush_mode mode) {
    if (mode == flush_mode::update_put) put_ = ring_.put();
    unsigned const begin = get_;
    bool lives = true;
    while (get_ != put_ && (lives = ring_.is_valid(get_) || wait_for(get_))) {
      static_cast<void>(ring_.take(get_));
      get_ = next(get_);
    }
    if (get_ != begin) ring_.set_get(get_);
    return lives;
  }

  /// Whether an interrupt has anything to serve (rule C5).
  [[nodiscard]] bool is_pending() {
    if (get_ != put_ || ring_.is_valid(get_)) return true;
    put_ = ring_.put();
    return get_ != put_;
  }

  /// Asks once for each context what it is, and puts the faults in the order of their service: by address space, GPU,
  /// page, and the most intrusive access first. Stops at the first context that is not live and says what it is.
  template <class Translate>
  [[nodiscard]] translated::kind order(Translate&& translate) {
    std::array<std::uint16_t, Capacity> scratch;
    std::span<std::uint16_t> const all{order_.data(), count_};
    detail::sort<std::uint16_t>(all, scratch, [this](std::uint16_t a, std::uint16_t b) {
      return entries_[a].fault.context < entries_[b].fault.context;
    });
    translated known;
    for (unsigned i = 0; i < count_; ++i) {
      fault_entry& e = entries_[order_[i]];
      if (i == 0 || e.fault.context != entries_[order_[i - 1]].fault.context) known = translate(e.fault.context);
      if (known.what != translated::kind::live) return known.what;
      e.space = known.space;
      e.gpu = known.gpu;
    }
    std::array<sort_key, Capacity> keys;
    for (unsigned i = 0; i < count_; ++i) keys[i] = key_of(entries_[i]);
    detail::sort<std::uint16_t>(all, scratch, [&](std::uint16_t a, std::uint16_t b) {
      return keys[a].owner != keys[b].owner ? keys[a].owner < keys[b].owner : keys[a].place < keys[b].place;
    });
    return translated::kind::live;
  }

  /// Entries behind `from` that one service takes: of one address space, GPU and block. \pre order() said live
  [[nodiscard]] std::span<std::uint16_t const> next_block(unsigned from) const {
    unsigned end = from;
    while (end < count_ && is_one_block(entries_[order_[from]], entries_[order_[end]])) ++end;
    return {order_.data() + from, end - from};
  }

  [[nodiscard]] fault_entry& entry(unsigned i) { return entries_[i]; }
  [[nodiscard]] fault_entry const& entry(unsigned i) const { return entries_[i]; }
  /// Entry `i` in the order of service.
  [[nodiscard]] fault_entry const& ordered(unsigned i) const { return entries_[order_[i]]; }
  /// Faults after merging.
  [[nodiscard]] unsigned coalesced() const { return count_; }
  /// Entries that were taken out of the ring.
  [[nodiscard]] unsigned cached() const { return cached_; }
  [[nodiscard]] unsigned get() const { return get_; }

 private:
  static constexpr unsigned no_entry = ~0u;

  struct pending {
    unsigned last = no_entry;  ///< the entry of the newest fault of this uTLB
  };

  void clear() {
    count_ = cached_ = 0;
    last_ = no_entry;
    utlbs_ = {};
  }
  [[nodiscard]] unsigned next(unsigned at) const { return at + 1 == ring_.size() ? 0 : at + 1; }
  [[nodiscard]] bool wait_for(unsigned at) {
    while (!ring_.is_valid(at))
      if (!ring_.wait()) return false;
    return true;
  }

  void add(hardware_fault const& fault, merging merges) {
    ++cached_;
    pending& utlb = utlbs_[fault.microtlb % MicroTlbs];
    if (merges != merging::none && !fault.is_fatal) {
      if (is_same(utlb.last, fault)) return merge(entries_[utlb.last], fault);
      bool const weaker = is_same(last_, fault) && fault.access <= entries_[last_].fault.access;
      if (weaker && merges == merging::all) return merge(entries_[last_], fault);
    }
    entries_[count_] = {.fault = fault, .accesses = fault.access, .instances = 1};
    order_[count_] = static_cast<std::uint16_t>(count_);
    last_ = utlb.last = count_++;
  }
  [[nodiscard]] bool is_same(unsigned entry, hardware_fault const& fault) const {
    return entry != no_entry && entries_[entry].fault.context == fault.context &&
           entries_[entry].fault.page == fault.page;
  }
  static void merge(fault_entry& e, hardware_fault const& fault) {
    ++e.instances;
    e.accesses |= fault.access;
    if (fault.access > e.fault.access) e.fault = fault;  // the more intrusive one speaks for all
  }

  /// What entries are ordered by, in two words: the space and the GPU; then the page, and in its low bits the access, the
  /// most intrusive one first.
  struct sort_key {
    std::uint64_t owner;
    std::uint64_t place;
  };
  [[nodiscard]] static sort_key key_of(fault_entry const& e) {
    auto const rank = [](fault_access a) { return static_cast<std::uint64_t>(a); };
    return {.owner = std::uint64_t{e.space} << 8 | e.gpu.id,
            .place = e.fault.page.value | (rank(fault_access::atomic_strong) - rank(e.fault.access))};
  }
  [[nodiscard]] static bool is_one_block(fault_entry const& a, fault_entry const& b) {
    return a.space == b.space && a.gpu == b.gpu &&
           a.fault.page.align_down(defaults::block_bytes) == b.fault.page.align_down(defaults::block_bytes);
  }

  Ring& ring_;
  unsigned limit_;
  unsigned get_ = 0;
  unsigned put_ = 0;
  unsigned count_ = 0;
  unsigned cached_ = 0;
  unsigned last_ = no_entry;
  std::array<pending, MicroTlbs> utlbs_{};
  std::array<fault_entry, Capacity> entries_{};
  std::array<std::uint16_t, Capacity> order_{};
};

}  // namespace svm::inline v0::placement
