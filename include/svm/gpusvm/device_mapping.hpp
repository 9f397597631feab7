// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <svm/base/construct.hpp>
#include <svm/base/dump.hpp>
#include <svm/base/intrusive_list.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/cancellation.hpp>
#include <svm/concepts/mappable_memory.hpp>
#include <svm/concepts/policies.hpp>
#include <svm/gpusvm/address_blocks.hpp>

namespace svm::inline v0 {

/// What a caller of get_pages asks for.
struct page_options {
  bool read_only = false;             ///< the device will only read
  bool devmem_only = false;           ///< all of it in the device's own memory; nothing else will do
  bool allow_mixed = false;           ///< pages of the system and of one device in one mapping
  page_owner const* owner = nullptr;  ///< whose device pages stay where they are; null: those that the device reaches
  cancellation const* cancel = nullptr;
};

/// The state of a `device_mapping`, one word, so that a reader without a lock sees a consistent set. This is the one place
/// that says what it means.
///
/// A word with `bound` says that at the moment of the load the device's page table allows these accesses to the whole
/// span: it is stored after `device::commit`, and cleared before `device::invalidate`. So a fault that finds it is served
/// with that load (`gpusvm::look`), and nothing else need hold: not that the range stays, nor that it is in the index.
enum class page_flag : std::uint32_t {
  mapped = 1,          ///< DMA mappings exist
  valid = 2,           ///< the device may use them
  device = 4,          ///< some are of device memory
  read_only = 8,       ///< the device may not write through them
  system = 16,         ///< some are of system memory
  peer = 32,           ///< the device memory is another device's
  bound = 64,          ///< the device's page table points at them
  bound_write = 128,   ///< ... so that it may write
  bound_atomic = 256,  ///< ... so that it may do atomic accesses
};
namespace detail {

[[nodiscard]] constexpr std::uint32_t bit(page_flag flag) {
  return static_cast<std::uint32_t>(flag);
}

}  // namespace detail

/// The mapping of a span for one device: the device's addresses of its pages, and whether they may be used.
///
/// It belongs to a range, or to a `mapped_buffer`; several devices may each have one of a range. An invalidation clears
/// `valid` and `bound` first, then the device forgets the span, then the mappings end and `mapped` is cleared.
///
/// Invariants: 1. bound => valid => mapped. 2. mapped <=> there are blocks, and then the blocks add up to the span; but
/// where all flags were cleared at once the blocks go in the same hold of the notifier lock.
/// 3. all blocks lie in one place: system memory, or one allocation of device memory; with `allow_mixed` in system
/// memory and the memory of one device.
///
/// Locks: changed with the range lock and the notifier lock shared, or the notifier lock exclusive. The flags may be
/// read at any time. The blocks need the range lock, or the notifier lock exclusive; the latter shared is not enough. Of
/// `blocks_locked` and `memory_locked` clang cannot follow that either lock will do.
///
/// \source struct drm_gpusvm_pages
template <svm_policies P>
class device_mapping : public list_hook<device_mapping<P>> {
 public:
  using page = typename P::mm::page;
  using run = page_run<page>;
  using memory = mappable_memory<page, typename P::device>;
  using blocks = detail::address_blocks<typename P::allocator>;
  using lock_type = typename P::lock::template shared_mutex<lock_rank::notifier>;

  /// \param env         the device that uses the mapping, on the address space of the span
  /// \param migratable  whether the memory of the span may go to a device: what `is_migratable` answers
  explicit device_mapping(svm_environment<P>& env, bool migratable = false) : migratable_(migratable), env_(env) {}
  device_mapping(device_mapping const&) = delete;
  device_mapping& operator=(device_mapping const&) = delete;
  ~device_mapping() {
    SVM_ASSERT(!has(page_flag::mapped));
    blocks_.clear(env_.memory);
    if (further_ != nullptr) detail::destroy(env_.memory, further_);
  }

  [[nodiscard]] svm_environment<P>& env() const { return env_; }
  [[nodiscard]] bool is_migratable() const { return migratable_; }
  [[nodiscard]] bool has(page_flag flag) const { return (flags_.load() & detail::bit(flag)) != 0; }

  /// True when the mapping is valid and good for `wanted`. A read-only mapping serves no write; `devmem_only` needs all of
  /// it in the device's own memory; a mixed one needs `allow_mixed`.
  [[nodiscard]] bool satisfies(page_options const& wanted) const { return satisfies(flags(), wanted); }
  /// The same of flags that were read before.
  [[nodiscard]] static constexpr bool satisfies(std::uint32_t flags, page_options const& wanted) {
    auto const is = [flags](page_flag flag) { return (flags & detail::bit(flag)) != 0; };
    return is(page_flag::valid) && (wanted.read_only || !is(page_flag::read_only)) &&
           (!wanted.devmem_only || (is(page_flag::device) && !is(page_flag::system) && !is(page_flag::peer))) &&
           (wanted.allow_mixed || !(is(page_flag::device) && is(page_flag::system)));
  }

  /// True when the device's page table points at the pages, with just the access that a bind for `permitted` would give.
  [[nodiscard]] bool is_bound(mapping_access permitted) const { return is_bound(flags(), permitted); }
  /// The same of flags that were read before.
  [[nodiscard]] static constexpr bool is_bound(std::uint32_t flags, mapping_access permitted) {
    return (flags & bound_bits) == bits_of(access_for(flags, permitted));
  }
  /// True when the device's page table allows an access, by flags that were read before.
  [[nodiscard]] static constexpr bool allows(std::uint32_t flags, access_kind want) {
    constexpr auto bit_of = [](access_kind k) { return detail::bit(page_flag::bound) << static_cast<unsigned>(k); };
    static_assert(bit_of(access_kind::write) == detail::bit(page_flag::bound_write));
    static_assert(bit_of(access_kind::atomic) == detail::bit(page_flag::bound_atomic));
    return (flags & bit_of(want)) != 0;
  }
  /// True when all of the memory is the device's own, by flags that were read before.
  [[nodiscard]] static constexpr bool is_own(std::uint32_t flags) {
    return (flags & (detail::bit(page_flag::device) | detail::bit(page_flag::system) | detail::bit(page_flag::peer))) ==
           detail::bit(page_flag::device);
  }
  /// All flags of one moment.
  [[nodiscard]] std::uint32_t flags() const { return flags_.load(); }

  /// Points the device's page table at the pages, as far as `permitted` and the mapping allow.
  ///
  /// \param held  the notifier's lock
  /// \pre valid; the device's `prepare` for `span`; the locks of the class comment
  [[gnu::always_inline]] void commit_locked(lock_type& held, va_range span, mapping_access permitted)
      SVM_REQUIRES_SHARED(held) {
    std::uint32_t const flags = flags_.load();
    mapping_access const how = access_for(flags, permitted);
    sync(true);
    env_.device.commit(span, blocks_locked(), how);
    set_flags((flags & ~bound_bits) | bits_of(how));
    touch_locked(held);
  }

  /// Tells the device memory that is mapped that it is used.
  ///
  /// \param held  the notifier's lock, so that the memory stays
  /// \pre mapped
  [[gnu::always_inline]] void touch_locked(lock_type& held) SVM_REQUIRES_SHARED(held) {
    held.assert_held_shared();
    if (memory_ == nullptr) return;
    memory_->touch();
    if (further_ == nullptr) return;
    for (std::size_t i = 0; i < further_->count; ++i) further_->list[i]->touch();
  }

  /// \pre the range lock is held, or the notifier lock exclusive, or nothing is under way
  [[nodiscard]] std::span<device_address const> blocks_locked() const { return blocks_.all(); }

  /// The device memory that is mapped, which the mapping keeps; the first of several, null when none is.
  ///
  /// \pre as `blocks_locked`
  [[nodiscard]] memory* memory_locked() const { return memory_; }

  /// The allocations that a mixed mapping uses beyond its first one; one that is met again may stand there again.
  struct further_memory {
    explicit further_memory(svm_environment<P>& env) : list(env.memory) {}
    detail::scratch_array<memory*, typename P::allocator> list;
    std::size_t count = 0;
  };

  /// Room for a mapping, taken where it may be waited for and may fail: the addresses, and for a device that has them
  /// the IO addresses that the system's pages get.
  ///
  /// \invariant what no mapping took over is given back
  class resources {
   public:
    explicit resources(svm_environment<P>& env) : env_(env) {}
    resources(resources const&) = delete;
    resources& operator=(resources const&) = delete;
    // In line, since most have nothing left.
    [[gnu::always_inline]] ~resources() {
      release_iova();
      blocks_.clear(env_.memory);
      if (further_ != nullptr) detail::destroy(env_.memory, further_);
    }

    /// \param runs   what is to be mapped; a single run needs no array
    /// \param mixed  the mapping may have memory of several allocations
    /// \errors no_memory. Without IO addresses the runs are mapped one by one.
    [[nodiscard, gnu::always_inline]] errc reserve(std::span<run const> runs, bool mixed) {
      if (!blocks_.reserve(env_.memory, runs.size())) return errc::no_memory;
      if (mixed && runs.size() > 1) {
        if (further_ == nullptr) further_ = detail::construct<further_memory>(env_.memory, env_);
        if (further_ == nullptr || !further_->list.reserve(runs.size())) return errc::no_memory;
      }
      if constexpr (iova_device<typename P::device, page>) {
        if (runs.front().place != page_place::system || size_ != byte_count{}) return errc::ok;
        byte_count size{};
        for (run const& r : runs) size += r.pages() * P::mm::page_size;
        if (result<dma_addr> const base = env_.device.reserve_iova(size); base) {
          base_ = *base;
          size_ = size;
        }
      }
      return errc::ok;
    }

   private:
    friend class device_mapping;
    void release_iova() {
      if constexpr (iova_device<typename P::device, page>)
        if (size_ != byte_count{}) env_.device.release_iova(base_, size_, byte_count{}, dma_direction::bidirectional);
      size_ = {};
    }

    svm_environment<P>& env_;
    blocks blocks_;
    further_memory* further_ = nullptr;
    dma_addr base_{};
    byte_count size_{};
  };

  /// Maps what a page walk found, and makes it valid.
  ///
  /// \param found    the runs of the span, all present
  /// \param space    room for them; taken over on success
  /// \param uniform  they are all of one place, owner and owner object
  /// \pre    not mapped; the locks of the class comment
  /// \errors mixed_placement, not_in_device_memory, dma_map_failed, unsupported (device memory out of reach): nothing is
  ///         mapped
  /// \allocs none
  /// \source the mapping loop of drm_gpusvm_get_pages(); one block for each run, which the walk clipped to the span
  ///         (erratum 3.1.5)
  [[nodiscard]] errc map(std::span<run const> found, page_options const& wanted, resources& space,
                         bool uniform = false);

  /// Makes the mapping invalid; the device may still have it.
  ///
  /// \return false when there is none
  bool invalidate() {
    std::uint32_t const now = flags_.load();
    if ((now & detail::bit(page_flag::mapped)) == 0) return false;
    set_flags(now & ~(detail::bit(page_flag::valid) | bound_bits));
    return true;
  }

  /// The same without a lock, for who found `flags` in a read section. False where only `touch_locked` can tell: the memory
  /// does not wait for sections, is another device's, or of several allocations; or the mapping has changed.
  [[nodiscard]] bool touch_in_section(std::uint32_t flags, bool memory_waits) const {
    if ((flags & detail::bit(page_flag::device)) == 0) return true;  // system memory need not hear that it is used
    memory* const own = memory_waits ? touchable_.load() : nullptr;
    if (own != nullptr) own->touch();
    return own != nullptr;
  }

  /// Ends the DMA mappings, if there are any.
  ///
  /// \pre the device has forgotten the span
  void unmap() {
    if (!has(page_flag::mapped)) return;
    end_given_up();
    set_flags(0);
  }

  /// Clears all flags at once, `mapped` too, where `end_given_up` follows in the same hold of the notifier's lock.
  ///
  /// \pre the notifier lock exclusive
  /// \return false when there is no mapping
  bool give_up() {
    if (!has(page_flag::mapped)) return false;
    set_flags(0);
    return true;
  }
  /// Ends the DMA mappings of one that was given up.
  ///
  /// \pre the device has forgotten the span
  void end_given_up() {
    unmap_blocks();
    forget_memory();
  }

  /// Prints the flags and the blocks, of which the first is at `at`, to the end of a line that was begun.
  ///
  /// \param held  the notifier's lock
  template <class Out>
  void dump_locked(lock_type& held, cpu_va at, detail::line_writer<Out>& line) const SVM_REQUIRES(held);

  /// Remembers, until `take_fetched`, that the call of get_pages under way made this mapping.
  void note_fetched() { fetched_ = true; }
  [[nodiscard]] bool take_fetched() { return std::exchange(fetched_, false); }

  /// Makes what the system wrote visible to the device, or the reverse, where that needs doing.
  ///
  /// \pre the range lock and the notifier lock shared
  void sync([[maybe_unused]] bool to_device) {
    if constexpr (noncoherent_device<typename P::device>)
      for (device_address const& b : blocks_locked())
        if (b.path == interconnect::system)
          to_device ? env_.device.sync_for_device(b.address, b.pages(), b.direction)
                    : env_.device.sync_for_system(b.address, b.pages(), b.direction);
  }

 private:
  static constexpr std::uint32_t bound_bits =
      detail::bit(page_flag::bound) | detail::bit(page_flag::bound_write) | detail::bit(page_flag::bound_atomic);
  /// What a mapping with these flags gives to a bind for `permitted`.
  [[nodiscard]] static constexpr mapping_access access_for(std::uint32_t flags, mapping_access permitted) {
    return (flags & detail::bit(page_flag::read_only)) != 0 ? mapping_access::read_only : permitted;
  }
  [[nodiscard]] static constexpr std::uint32_t bits_of(mapping_access how) {
    return detail::bit(page_flag::bound) |
           (how != mapping_access::read_only ? detail::bit(page_flag::bound_write) : 0) |
           (how == mapping_access::read_write ? detail::bit(page_flag::bound_atomic) : 0);
  }
  /// Release is enough. Who finds `bound` finds what `device::commit` wrote before. Who looks after an invalidation has returned
  /// finds the word that it stored, whatever the order: it is one word. That nothing is served once it was refused is said by
  /// other words, which a hit reads behind this one. What a hit may touch is a word of its own, and freed through a grace
  /// period.
  void set_flags(std::uint32_t word) {
    if constexpr (requires { flags_.store_release(word); })
      flags_.store_release(word);
    else
      flags_.store(word);
  }
  void use_memory(memory& used, resources& space);
  void forget_memory() {
    if (memory_ != nullptr) touchable_.store(nullptr);
    if (memory_ != nullptr) std::exchange(memory_, nullptr)->put();
    if (further_ != nullptr) further_->count = 0;
  }
  [[nodiscard]] errc classify(std::span<run const> found, page_options const& wanted, bool uniform,
                              std::uint32_t& flags) const;
  [[nodiscard]] static bool find_firsts(std::span<run const> found, page_options const& wanted, run const*& device,
                                        run const*& system);
  [[nodiscard]] errc map_system_run(run const& found, page_options const& wanted);
  [[nodiscard]] errc map_runs(std::span<run const> found, page_options const& wanted, resources& space, bool uniform);
  [[nodiscard]] errc map_run(run const& found, resources& space);
  [[nodiscard]] errc map_system_runs(std::span<run const> found);
  void fill_system_block(device_address& block, dma_addr at, std::uint32_t count) const;
  void unmap_blocks();

  static constexpr bool has_iova = iova_device<typename P::device, page>;
  /// The reservation that the system's pages are linked in; of no size where each was mapped by itself.
  struct iova_room {
    dma_addr base{};
    byte_count size{};
    byte_count linked{};
  };
  struct no_iova {};
  [[nodiscard]] bool uses_iova() const {
    if constexpr (has_iova) return iova_.size != byte_count{};
    return false;
  }

  // First what an invalidation of many looks at, so that it is in few lines of the cache.
  typename P::lock::template atomic<std::uint32_t> flags_{0};
  dma_direction direction_ = dma_direction::bidirectional;
  bool fetched_ = false;
  bool const migratable_;
  memory* memory_ = nullptr;           // the device memory that is mapped, kept with `get`
  further_memory* further_ = nullptr;  // made for the first mixed mapping, and kept
  blocks blocks_;
  svm_environment<P>& env_;
  // `memory_` where it is the device's own and the only one: a reader in a section may touch it.
  typename P::lock::template atomic<memory*> touchable_{nullptr};
  [[no_unique_address]] std::conditional_t<has_iova, iova_room, no_iova> iova_;
};

}  // namespace svm::inline v0

#include <svm/gpusvm/impl/map.hpp>
