// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <svm/std.hpp>
#include <svm/svm.hpp>

// The costless backend, and all that the benchmarks know of the concepts: what is measured on it is the library.

namespace lean {

inline constexpr svm::byte_count page_size{4096};

/// What this thread asked of the backend; benchmarks check their own work by it.
struct tally {
  std::uint64_t bound_pages = 0;    ///< that `commit` was told of
  std::uint64_t bound_blocks = 0;   ///< that they came in
  std::uint64_t flushed_bytes = 0;  ///< that `invalidate` was told of
  std::uint64_t copied_pages = 0;   ///< to the device and back
  std::uint64_t allocations = 0;    ///< from the heap
  std::int64_t heap_bytes = 0;      ///< that are allocated now
};
inline constinit thread_local tally done;

/// The global heap, counted.
struct counted_heap {
  [[nodiscard]] std::byte* allocate(std::size_t size, std::size_t alignment) noexcept {
    ++done.allocations;
    done.heap_bytes += static_cast<std::int64_t>(size);
    return heap.allocate(size, alignment);
  }
  void deallocate(std::byte* memory, std::size_t size, std::size_t alignment) noexcept {
    done.heap_bytes -= static_cast<std::int64_t>(size);
    heap.deallocate(memory, size, alignment);
  }
  svm::heap heap;
};

/// A page: its address is its name. Frames that can migrate, and device pages, have numbers above all addresses.
struct page {
  std::uint64_t number = 0;
  friend constexpr bool operator==(page, page) = default;
};
inline constexpr std::uint64_t frame_bit = std::uint64_t{1} << 59;
inline constexpr std::uint64_t device_bit = std::uint64_t{1} << 60;
inline constexpr svm::page_owner device_memory{1};

/// How the pages of a walk lie in memory.
enum class placement : std::uint8_t {
  run,        ///< a span is one contiguous run
  scattered,  ///< no page lies behind the one before it
};

/// An mm in which everything below 2^47 is one VMA and present.
///
/// After `give_frames` a span has frames of its own that can migrate, and come back into other frames. Where the mm `Tells`,
/// a walk of this span finds each page where it is.
template <svm::lock Lock, bool Tells = false>
class mm {
 public:
  static constexpr bool collects_masks = true;
  static constexpr svm::byte_count page_size = lean::page_size;
  using page = lean::page;
  struct registration {
    typename Lock::template atomic<std::uint64_t> sequence{1};
    svm::invalidation_target* target = nullptr;
  };
  struct migration {
    mm* home = nullptr;
    std::span<svm::migration_slot<page>> slots;
    std::size_t first = 0;  ///< of the span's pages, where the slots are of system memory
    bool installed = false;
    ~migration() {
      if (home != nullptr) home->finalize(*this);
    }
  };
  struct no_map_lock {
    void lock_shared() {}
    void unlock_shared() {}
  };

  bool get_user() noexcept { return true; }
  [[nodiscard]] svm::space_id id() const noexcept { return {1}; }
  void put_user() noexcept {}
  no_map_lock& map_lock() noexcept { return map_lock_; }
  svm::result<svm::vma_info> find_vma(svm::cpu_va) noexcept { return whole_; }
  svm::result<svm::vma_info> find_first_vma(svm::va_range) noexcept { return whole_; }
  static constexpr page page_at(page first, std::uint64_t n) noexcept {
    return page{first.number + n * lean::page_size.value};
  }
  svm::errc fault_in(svm::walk_request<registration> const& request, svm::run_sink<page>& found) noexcept {
    snapshot(request.span, found);
    return svm::errc::ok;
  }
  void snapshot(svm::va_range span, svm::run_sink<page>& found) noexcept {
    if constexpr (Tells) return walk_table(span, found);
    if (lie == placement::run) {
      static_cast<void>(
          found.add(span.start(), {.page = page{span.start().value},
                                   .count = static_cast<std::uint32_t>(span.size().value / page_size.value),
                                   .place = svm::page_place::system,
                                   .writable = true}));
      return;
    }
    std::uint64_t const first = span.start().value;
    static_cast<void>(
        found.add_pages(*this, span.start(), span.size().value / page_size.value, [first](std::uint64_t n) {
          return svm::page_run<page>{.page = page{(first + n * page_size.value) ^ page_size.value},
                                     .place = svm::page_place::system,
                                     .writable = true};
        }));
  }
  svm::errc register_notifier(registration& r, svm::va_range, svm::invalidation_target& target) noexcept {
    r.target = &target;
    last_ = &r;
    return svm::errc::ok;
  }
  void unregister_notifier(registration& r) noexcept { r.target = nullptr; }
  std::uint64_t read_begin(registration& r) noexcept { return r.sequence.load(); }
  bool read_retry(registration const& r, std::uint64_t seen) noexcept { return r.sequence.load() != seen; }
  void set_sequence(registration& r, std::uint64_t value) noexcept { r.sequence.store(value); }

  svm::errc collect(migration& session, svm::va_range span, std::span<svm::migration_slot<page>> slots,
                    svm::page_owner) noexcept {
    session.home = this;
    session.slots = slots;
    session.first = index_of(span.start());
    auto const is_outside = [&](std::size_t i) { return slots[i].state == svm::slot_state::outside; };
    for (std::size_t i = 0; i < slots.size();) {
      std::size_t const begin = i;
      while (i < slots.size() && !is_outside(i)) ++i;
      if (begin != i)
        invalidate({span.start() + page_size * begin, page_size * (i - begin)}, svm::invalidation_cause::migrate);
      for (std::size_t k = begin; k < i; ++k) {
        slots[k].source = table_[session.first + k];
        slots[k].state = svm::slot_state::collected;
        slots[k].owner_object = owner_object_of(slots[k].source);
      }
      while (i < slots.size() && is_outside(i)) ++i;
    }
    return svm::errc::ok;
  }
  void collect_pages(migration& session, std::span<svm::migration_slot<page>> slots, svm::page_scope const*,
                     page) noexcept {
    session.home = this;
    session.slots = slots;
    for (auto& s : slots) {
      s.state = svm::slot_state::collected;
      s.owner_object = device_side(s.source).owner_object;
    }
  }
  void install(migration& session) noexcept { session.installed = true; }
  void finalize(migration& session) noexcept {
    for (std::size_t i = 0; session.installed && i < session.slots.size(); ++i)
      if (session.slots[i].destination != page{}) move(session.slots[i], session.first + i);
    session.home = nullptr;
  }
  svm::result<page> allocate_page(svm::page_order order) noexcept {
    if (order != svm::page_order{} || free_count_ == 0) return svm::errc::no_ram;
    --free_count_;
    page const frame = free_[next_free_];
    next_free_ = next_free_ + 1 == free_.size() ? 0 : next_free_ + 1;
    return frame;
  }
  void adopt_device_page(page device, svm::page_order, svm::device_page_owner<page>& owner, bool) noexcept {
    device_side(device).owner_object = &owner;
  }
  void discard_page(page frame) noexcept { put_frame(frame); }

  /// Gives the span from `start` on frames of its own: as many as there are device pages.
  void give_frames(svm::cpu_va start, std::size_t pages) {
    frames_start_ = start;
    for (std::size_t i = 0; i < pages; ++i) table_.push_back({frame_bit + i * page_size.value});
    free_.resize(pages);
    device_.resize(pages);
    run_starts_.resize((pages + svm::page_mask::pages - 1) / svm::page_mask::pages);
  }
  [[nodiscard]] page page_of(svm::cpu_va a) const { return table_[index_of(a)]; }
  [[nodiscard]] static bool is_device(page p) { return (p.number & device_bit) != 0; }

  /// Runs one event over the notifier that was registered last.
  void invalidate(svm::va_range span, svm::invalidation_cause cause) {
    if (last_ == nullptr || last_->target == nullptr) return;
    sequence_ += 2;
    svm::invalidation const event{span, cause};
    if (last_->target->invalidate(event, sequence_) == svm::invalidation_answer::pending)
      last_->target->finish_invalidation(event);
  }

  placement lie = placement::run;

 private:
  [[nodiscard]] std::size_t index_of(svm::cpu_va a) const {
    return static_cast<std::size_t>((a.value - frames_start_.value) / page_size.value);
  }
  struct device_page_state {
    std::size_t index = 0;  ///< which page of the span it is
    svm::device_page_owner<page>* owner_object = nullptr;
  };
  [[nodiscard]] device_page_state& device_side(page device) {
    return device_[static_cast<std::size_t>((device.number - device_bit) / page_size.value)];
  }
  [[nodiscard]] svm::device_page_owner<page>* owner_object_of(page p) {
    return is_device(p) ? device_side(p).owner_object : nullptr;
  }
  /// Adds the runs of a part of the span that has frames. Where each ends is known, so that a walk costs next to nothing.
  void walk_table(svm::va_range span, svm::run_sink<page>& found) {
    std::size_t i = index_of(span.start());
    std::size_t const end = i + span.size().value / page_size.value;
    for (svm::cpu_va at = span.start(); i < end;) {
      constexpr std::size_t block = svm::page_mask::pages;
      std::size_t const behind = i / block * block + run_starts_[i / block].next(static_cast<unsigned>(i % block) + 1);
      auto const count = static_cast<std::uint32_t>(std::min(behind, end) - i);
      auto* const owner_object = owner_object_of(table_[i]);
      bool const moved = owner_object != nullptr;
      if (!found.add(at, {.page = table_[i],
                          .owner_object = owner_object,
                          .owner = moved ? device_memory : svm::nobody,
                          .count = count,
                          .place = moved ? svm::page_place::device : svm::page_place::system,
                          .writable = true}))
        return;
      at = at + page_size * count;
      i += count;
    }
  }
  /// Notes whether a page goes on where the one before it ends.
  void note_run(std::size_t index) {
    if (index == 0 || index == table_.size()) return;
    bool const goes_on = table_[index] == page_at(table_[index - 1], 1) &&
                         owner_object_of(table_[index]) == owner_object_of(table_[index - 1]);
    svm::page_mask& starts = run_starts_[index / svm::page_mask::pages];
    unsigned const bit = static_cast<unsigned>(index % svm::page_mask::pages);
    goes_on ? starts.reset(bit) : starts.set(bit);
  }
  /// Points the page table at a slot's destination, and frees its source.
  void move(svm::migration_slot<page> const& s, std::size_t index) {
    bool const from_device = is_device(s.source);
    if (from_device) index = device_side(s.source).index;
    table_[index] = s.destination;
    if (is_device(s.destination)) device_side(s.destination).index = index;
    if constexpr (Tells) {
      note_run(index);
      note_run(index + 1);
    }
    if (from_device)
      device_side(s.source).owner_object->page_freed(s.source, {});
    else
      put_frame(s.source);
  }
  void put_frame(page frame) {
    std::size_t const at = next_free_ + free_count_++;
    free_[at < free_.size() ? at : at - free_.size()] = frame;
  }

  svm::vma_info const whole_{{svm::cpu_va{}, svm::byte_count{std::uint64_t{1} << 47}}, true, true, true};
  no_map_lock map_lock_;
  registration* last_ = nullptr;
  std::uint64_t sequence_ = 1;
  svm::cpu_va frames_start_{};
  std::vector<page> table_;  // where each page of the span is
  std::vector<device_page_state> device_;
  std::vector<svm::page_mask> run_starts_;  // of each 512 pages, those that do not go on where the one before ends
  std::vector<page> free_;                  // a ring: who leaves in order finds contiguous frames again
  std::size_t next_free_ = 0;
  std::size_t free_count_ = 0;
};

/// A device that maps a page at its own number and has no page table.
struct device {
  svm::result<svm::dma_addr> dma_map(page p, svm::page_count, svm::dma_direction) noexcept {
    return svm::dma_addr{p.number};
  }
  void dma_unmap(svm::dma_addr, svm::page_count, svm::dma_direction) noexcept {}
  svm::errc prepare(svm::va_range) noexcept { return svm::errc::ok; }
  void commit(svm::va_range span, std::span<svm::device_address const> blocks, svm::mapping_access) noexcept {
    done.bound_pages += span.size().value / page_size.value;
    done.bound_blocks += blocks.size();
  }
  void invalidate(svm::va_range span) noexcept { done.flushed_bytes += span.size().value; }
};

/// Device memory, and the engine that copies between it and `system_bytes`. Allocations go round in it. Without bytes a
/// copy is counted alone, and no allocation is used again.
struct pagemap {
  struct memory {
    std::uint64_t first = 0;
  };

  svm::result<memory> allocate(svm::byte_count size) noexcept {
    if (has_bytes() && next + size.value > device_bytes.size()) next = 0;
    return memory{std::exchange(next, next + size.value)};
  }
  svm::errc pages(memory& m, std::span<svm::device_page<page>> out) noexcept {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = {page{device_bit + m.first + i * page_size.value}, {}};
    return svm::errc::ok;
  }
  void release(memory&) noexcept {}
  svm::errc copy_to_device(std::span<svm::copy_block<page> const> job) noexcept {
    for (auto const& block : job) copy(block.local, remote(block), block.remote.count);
    return svm::errc::ok;
  }
  svm::errc copy_to_system(std::span<svm::copy_block<page> const> job) noexcept {
    for (auto const& block : job) copy(remote(block), block.local, block.remote.count);
    return svm::errc::ok;
  }
  svm::errc wait_cleared(memory&) noexcept { return svm::errc::ok; }
  svm::result<svm::device_address> map(device&, page p, svm::page_count count, svm::dma_direction direction) noexcept {
    return svm::device_address{svm::dma_addr{p.number}, svm::interconnect::local, direction,
                               static_cast<std::uint32_t>(count.value)};
  }
  void unmap(device&, svm::device_address const&) noexcept {}
  svm::page_owner owner() noexcept { return device_memory; }
  svm::byte_count capacity() noexcept { return {std::uint64_t{1} << 40}; }
  svm::byte_count available() noexcept { return capacity(); }

  [[nodiscard]] std::byte* bytes_of(page p) {
    return (p.number & device_bit) != 0 ? device_bytes.data() + (p.number - device_bit)
                                        : system_bytes.data() + (p.number - frame_bit);
  }

  std::span<std::byte> system_bytes;
  std::span<std::byte> device_bytes;
  std::uint64_t next = 0;

 private:
  [[nodiscard]] bool has_bytes() const { return !device_bytes.empty(); }
  [[nodiscard]] static page remote(svm::copy_block<page> const& b) { return {b.remote.address.value}; }
  void copy(page to, page from, std::size_t count) {
    done.copied_pages += count;
    if (has_bytes()) std::memcpy(bytes_of(to), bytes_of(from), count * page_size.value);
  }
};

template <svm::lock Lock>
struct policies : svm::default_policies {
  using mm = lean::mm<Lock>;
  using device = lean::device;
  using pagemap = lean::pagemap;
  using lock = Lock;
  using clock = svm::steady_clock;
  using allocator = counted_heap;
};

/// The library on the lean backend: system memory only, unless somebody migrates by hand.
template <svm::lock Lock>
class system {
 public:
  /// \param range_pages  of every range
  explicit system(std::uint64_t range_pages)
      : mover({mm, gpu, vram, memory, clock, observer}), driver(mover, shape(range_pages), options()) {}

  /// A fault for a write; true when it was served.
  [[nodiscard]] bool fault(std::uint64_t address) {
    return driver.fault(svm::cpu_va{address}, svm::access_kind::write) == svm::errc::ok;
  }
  /// The same for many, in one call.
  [[nodiscard]] bool fault_batch(std::span<svm::fault_request const> requests, std::span<svm::errc> results) {
    return driver.fault_batch(requests, results) == requests.size();
  }
  /// True when a range around the address is there whose pages are valid and bound.
  [[nodiscard]] bool is_bound(std::uint64_t address) {
    auto const r = driver.svm().find(svm::cpu_va{address});
    return r && r->interval().contains(svm::cpu_va{address}) && r->mapping().has(svm::page_flag::valid) &&
           r->mapping().has(svm::page_flag::bound);
  }
  /// True when a range around the address is there, and the device forgot it.
  [[nodiscard]] bool is_forgotten(std::uint64_t address) {
    auto const r = driver.svm().find(svm::cpu_va{address});
    return r && !r->mapping().has(svm::page_flag::mapped) && !r->mapping().has(svm::page_flag::bound);
  }
  /// Makes the range around an address, without pages.
  [[nodiscard]] bool insert(std::uint64_t address) {
    return driver.svm().find_or_insert(svm::cpu_va{address}, {.want = svm::access_kind::write}).has_value();
  }
  /// The start of the range around an address; 0 when there is none.
  [[nodiscard]] std::uint64_t find(std::uint64_t address) {
    auto const r = driver.svm().find(svm::cpu_va{address});
    return r ? r->interval().start().value : 0;
  }
  /// True when there was a range to remove.
  bool remove(std::uint64_t address) {
    auto r = driver.svm().find(svm::cpu_va{address});
    if (!r) return false;
    driver.svm().remove(driver.svm().lock_range(std::move(r)));
    return true;
  }
  void invalidate(std::uint64_t start, std::uint64_t size) {
    mm.invalidate({svm::cpu_va{start}, svm::byte_count{size}}, svm::invalidation_cause::clear);
  }
  [[nodiscard]] bool migrate_to_device(std::uint64_t start, std::uint64_t size) {
    return mover.migrate_to_device(mm, {svm::cpu_va{start}, svm::byte_count{size}}, {}) == svm::errc::ok;
  }
  [[nodiscard]] bool evict_all() { return mover.evict_all() == svm::errc::ok; }
  [[nodiscard]] std::size_t notifiers() { return driver.svm().notifier_count(); }

  static constexpr std::size_t range_size = sizeof(svm::range<policies<Lock>>);
  static constexpr std::size_t notifier_size = sizeof(svm::notifier<policies<Lock>>);

  lean::mm<Lock> mm;
  lean::device gpu;
  lean::pagemap vram;
  counted_heap memory;
  svm::steady_clock clock;
  svm::null_observer observer;
  svm::migrator<policies<Lock>> mover;
  svm::svm_driver<policies<Lock>> driver;

 private:
  static svm::gpusvm_layout shape(std::uint64_t range_pages) {
    svm::byte_count const chunks[]{page_size * range_pages, page_size};
    return *svm::gpusvm_layout::make({svm::cpu_va{}, svm::byte_count{std::uint64_t{1} << 47}},
                                     svm::byte_count{std::uint64_t{512} << 20},
                                     std::span{chunks}.subspan(range_pages == 1), page_size);
  }
  static svm::driver_options options() {
    svm::driver_options o;
    o.migrate = svm::migration_mode::never;
    o.check_pages_threshold = {};
    return o;
  }
};

/// What a walk and a mapping of scattered pages cost at least: the same two loops over the same types, by hand.
class by_hand {
 public:
  using blocks = std::vector<svm::device_address>;
  explicit by_hand(std::size_t pages) : runs_(pages) {}

  /// Maps the span from `start` on; what the walk found is forgotten, as the library forgets it.
  void map(std::uint64_t start, blocks& out) {
    for (std::size_t i = 0; i < runs_.size(); ++i)
      runs_[i] = {.page = page{(start + i * page_size.value) ^ page_size.value},
                  .place = svm::page_place::system,
                  .writable = true};
    // Field by field: a block that is built elsewhere and copied costs three times as much, since its bytes were just
    // stored one by one.
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      out[i].address = *gpu_.dma_map(runs_[i].page, runs_[i].pages(), svm::dma_direction::bidirectional);
      out[i].path = svm::interconnect::system;
      out[i].count = runs_[i].count;
      out[i].direction = svm::dma_direction::bidirectional;
    }
  }
  /// True when the blocks are those of the span from `start` on.
  [[nodiscard]] static bool is_right(std::uint64_t start, blocks const& made) {
    for (std::size_t i = 0; i < made.size(); ++i)
      if (made[i].address.value != ((start + i * page_size.value) ^ page_size.value)) return false;
    return true;
  }

 private:
  device gpu_;
  std::vector<svm::page_run<page>> runs_;
};

}  // namespace lean
