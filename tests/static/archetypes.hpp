// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Models with nothing beyond what each concept asks for: no default constructor, no copy and no move where none is
// asked, references qualified away, and parameter types from which nothing converts but the type that is named. A
// template of the library that compiles with them uses no more than its concepts say.
//
// Nothing here is defined: the archetypes are for compiling, not for running.

#include <svm/concepts/gpuvm_types.hpp>
#include <svm/concepts/policies.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace archetypes {

/// No object of a type that derives from it is made, copied or moved but by who is told how.
class rigid {
 protected:
  explicit rigid(int);
  ~rigid() = default;

 public:
  rigid(rigid const&) = delete;
  rigid& operator=(rigid const&) = delete;
};

/// A parameter that binds to an lvalue or rvalue of exactly `T`: no conversion, and no braces.
template <class T>
struct exactly {
  exactly(std::same_as<T> auto const&) noexcept;
};

// -- lock ---

struct lock {
  template <svm::lock_rank>
  class SVM_CAPABILITY("mutex") mutex {
   public:
    mutex();
    mutex(mutex const&) = delete;
    mutex& operator=(mutex const&) = delete;
    void lock() SVM_ACQUIRE();
    void unlock() SVM_RELEASE();
    [[nodiscard]] bool try_lock() SVM_TRY_ACQUIRE(true);
    void assert_held() SVM_ASSERT_CAPABILITY(this);
  };
  template <svm::lock_rank>
  class SVM_CAPABILITY("shared_mutex") shared_mutex {
   public:
    shared_mutex();
    shared_mutex(shared_mutex const&) = delete;
    shared_mutex& operator=(shared_mutex const&) = delete;
    void lock() SVM_ACQUIRE();
    void unlock() SVM_RELEASE();
    [[nodiscard]] bool try_lock() SVM_TRY_ACQUIRE(true);
    void assert_held() SVM_ASSERT_CAPABILITY(this);
    void lock_shared() SVM_ACQUIRE_SHARED();
    void unlock_shared() SVM_RELEASE_SHARED();
    [[nodiscard]] bool try_lock_shared();
    void assert_held_shared() SVM_THREAD_ANNOTATION(assert_shared_capability(this));
  };
  template <class T>
  class atomic {
   public:
    explicit atomic(T);
    atomic(atomic const&) = delete;
    atomic& operator=(atomic const&) = delete;
    [[nodiscard]] T load() const;
    void store(T);
    T exchange(T);
    T fetch_add(T);
    T fetch_sub(T);
    T fetch_or(T);
    T fetch_and(T);
    [[nodiscard]] bool compare_exchange(T& expected, T desired);
  };
  class event {
   public:
    event();
    event(event const&) = delete;
    event& operator=(event const&) = delete;
    template <class Mutex, std::predicate Ready>
    void wait(Mutex&, Ready);
    void notify_all();
  };
  class read_domain {
   public:
    class section {
     public:
      section(section const&) = delete;
      section& operator=(section const&) = delete;

     private:
      friend read_domain;
      section();
    };
    read_domain();
    read_domain(read_domain const&) = delete;
    read_domain& operator=(read_domain const&) = delete;
    [[nodiscard]] section enter();
    void leave(section&);
    void retire(svm::retire_hook&);
    void synchronize();
    [[nodiscard]] std::uint64_t retired() const;
  };
};

// -- allocator, clock, observer ---

struct allocator : rigid {
  using rigid::rigid;
  [[nodiscard]] std::byte* allocate(std::size_t, std::size_t) noexcept;
  void deallocate(std::byte*, std::size_t, std::size_t) noexcept;
};

struct clock : rigid {
  using rigid::rigid;
  [[nodiscard]] svm::time_point now() noexcept;
  void wait_until(exactly<svm::time_point>) noexcept;
};

struct observer : rigid {
  using rigid::rigid;
  void record(svm::event const&) noexcept;
};

// -- mm ---

/// A handle without order, without members, and without a conversion to or from anything.
class page {
 public:
  page();
  friend bool operator==(page const&, page const&);
};

struct mm : rigid {
  using rigid::rigid;
  static constexpr svm::byte_count page_size{4096};
  using page = archetypes::page;
  using slot = svm::migration_slot<page>;
  struct registration {
    registration();
    registration(registration const&) = delete;
    registration& operator=(registration const&) = delete;
  };
  struct migration {
    migration();
    migration(migration const&) = delete;
    migration& operator=(migration const&) = delete;
    ~migration();
  };
  /// Only what the library takes of the map lock: it is never locked exclusive, and may be no lock at all.
  struct shared_lock : rigid {
    using rigid::rigid;
    void lock_shared();
    void unlock_shared();
  };

  [[nodiscard]] static page page_at(exactly<page>, exactly<std::uint64_t>) noexcept;
  [[nodiscard]] bool get_user() noexcept;
  void put_user() noexcept;
  [[nodiscard]] svm::space_id id() const noexcept;
  [[nodiscard]] shared_lock& map_lock();
  [[nodiscard]] svm::result<svm::vma_info> find_vma(exactly<svm::cpu_va>) noexcept;
  [[nodiscard]] svm::result<svm::vma_info> find_first_vma(exactly<svm::va_range>) noexcept;
  [[nodiscard]] svm::errc fault_in(exactly<svm::walk_request<registration>>, svm::run_sink<page>&) noexcept;
  void snapshot(exactly<svm::va_range>, svm::run_sink<page>&) noexcept;
  [[nodiscard]] svm::errc register_notifier(registration&, exactly<svm::va_range>, svm::invalidation_target&) noexcept;
  void unregister_notifier(registration&) noexcept;
  [[nodiscard]] std::uint64_t read_begin(registration&) noexcept;
  [[nodiscard]] bool read_retry(registration&, exactly<std::uint64_t>) noexcept;
  void set_sequence(registration&, exactly<std::uint64_t>) noexcept;
  [[nodiscard]] svm::errc collect(migration&, exactly<svm::va_range>, exactly<std::span<slot>>,
                                  exactly<svm::page_owner>) noexcept;
  void collect_pages(migration&, exactly<std::span<slot>>, svm::page_scope const*, exactly<page>) noexcept;
  void install(migration&) noexcept;
  void finalize(migration&) noexcept;
  [[nodiscard]] svm::result<page> allocate_page(exactly<svm::page_order>) noexcept;
  void adopt_device_page(exactly<page>, exactly<svm::page_order>, svm::device_page_owner<page>&,
                         exactly<bool>) noexcept;
  void discard_page(exactly<page>) noexcept;
};

/// With all that an mm may have beside, and what it may say of itself.
struct full_mm : mm {
  using mm::mm;
  static constexpr bool invalidates_before_unmap = false;
  static constexpr bool reports_protection = false;
  static constexpr bool collects_into_destination = true;
  void settle() noexcept;
  void write_protect(exactly<svm::va_range>, exactly<std::span<page>>) noexcept;
  void put_pages(exactly<std::span<page const>>) noexcept;
  void clear_page(exactly<page>, exactly<svm::page_order>) noexcept;
};

// -- device, pagemap ---

struct device : rigid {
  using rigid::rigid;
  using blocks = std::span<svm::device_address const>;
  [[nodiscard]] svm::result<svm::dma_addr> dma_map(exactly<page>, exactly<svm::page_count>,
                                                   exactly<svm::dma_direction>) noexcept;
  void dma_unmap(exactly<svm::dma_addr>, exactly<svm::page_count>, exactly<svm::dma_direction>) noexcept;
  [[nodiscard]] svm::errc prepare(exactly<svm::va_range>) noexcept;
  void commit(exactly<svm::va_range>, exactly<blocks>, exactly<svm::mapping_access>) noexcept;
  void invalidate(exactly<svm::va_range>) noexcept;
};

/// With all that a device may have beside, so that the library's other ways are instantiated too.
struct full_device : device {
  using device::device;
  void begin_invalidate(exactly<svm::va_range>) noexcept;
  void finish_invalidate(exactly<svm::va_range>) noexcept;
  void stop_queues() noexcept;
  void resume_queues() noexcept;
  [[nodiscard]] svm::result<svm::dma_addr> reserve_iova(exactly<svm::byte_count>) noexcept;
  [[nodiscard]] svm::errc link_iova(exactly<svm::dma_addr>, exactly<svm::byte_count>, exactly<page>,
                                    exactly<svm::page_count>, exactly<svm::dma_direction>) noexcept;
  [[nodiscard]] svm::errc sync_iova(exactly<svm::dma_addr>, exactly<svm::byte_count>) noexcept;
  void release_iova(exactly<svm::dma_addr>, exactly<svm::byte_count>, exactly<svm::byte_count>,
                    exactly<svm::dma_direction>) noexcept;
  void sync_for_device(exactly<svm::dma_addr>, exactly<svm::page_count>, exactly<svm::dma_direction>) noexcept;
  void sync_for_system(exactly<svm::dma_addr>, exactly<svm::page_count>, exactly<svm::dma_direction>) noexcept;
};

struct pagemap : rigid {
  using rigid::rigid;
  class memory {
   public:
    memory(memory&&) noexcept;
    memory& operator=(memory&&) noexcept;

   private:
    memory();
  };
  using job = std::span<svm::copy_block<page> const>;

  [[nodiscard]] svm::result<memory> allocate(exactly<svm::byte_count>) noexcept;
  [[nodiscard]] svm::errc pages(memory&, exactly<std::span<svm::device_page<page>>>) noexcept;
  void release(memory&) noexcept;
  [[nodiscard]] svm::errc copy_to_device(exactly<job>) noexcept;
  [[nodiscard]] svm::errc copy_to_system(exactly<job>) noexcept;
  [[nodiscard]] svm::errc wait_cleared(memory&) noexcept;
  [[nodiscard]] svm::result<svm::device_address> map(device&, exactly<page>, exactly<svm::page_count>,
                                                     exactly<svm::dma_direction>) noexcept;
  void unmap(device&, svm::device_address const&) noexcept;
  [[nodiscard]] svm::page_owner owner() noexcept;
  [[nodiscard]] svm::byte_count capacity() noexcept;
  [[nodiscard]] svm::byte_count available() noexcept;
};

/// With all that a pagemap may have beside.
struct full_pagemap : pagemap {
  using pagemap::pagemap;
  static constexpr bool is_coherent = true;
  void release_pages(memory&, exactly<page>, exactly<svm::page_order>) noexcept;
};

// -- the bundles ---

/// Driver data that can be default-made, and nothing else.
struct range_data {
  range_data();
  range_data(range_data const&) = delete;
  range_data& operator=(range_data const&) = delete;
};
struct notifier_data {
  notifier_data();
  notifier_data(notifier_data const&) = delete;
  notifier_data& operator=(notifier_data const&) = delete;
};

/// Derives from nothing: a bundle need not use `default_policies`.
struct policies {
  using mm = archetypes::mm;
  using device = archetypes::device;
  using pagemap = archetypes::pagemap;
  using lock = archetypes::lock;
  using clock = archetypes::clock;
  using allocator = archetypes::allocator;
  using observer = archetypes::observer;
  using range_data = archetypes::range_data;
  using notifier_data = archetypes::notifier_data;
};
struct full_policies : policies {
  using mm = full_mm;
  using device = full_device;
  using pagemap = full_pagemap;
};

/// Incomplete where the concept looks at it.
struct gpuvm_mapping;
struct gpuvm_object;
struct gpuvm_types {
  using mapping = gpuvm_mapping;
  using object = gpuvm_object;
  using lock = archetypes::lock;
  using allocator = archetypes::allocator;
};

static_assert(svm::lock<lock>);
static_assert(svm::allocator<allocator>);
static_assert(svm::time_source<clock>);
static_assert(svm::observer<observer>);
static_assert(svm::mm<mm>);
static_assert(!svm::settling_mm<mm> && svm::settling_mm<full_mm>);
static_assert(!svm::write_protecting_mm<mm> && svm::write_protecting_mm<full_mm>);
static_assert(!svm::clearing_mm<mm> && svm::clearing_mm<full_mm>);
static_assert(svm::invalidates_before_unmap<mm> && svm::reports_protection<mm> && !svm::collects_into_destination<mm>);
static_assert(!svm::invalidates_before_unmap<full_mm> && !svm::reports_protection<full_mm> &&
              svm::collects_into_destination<full_mm>);
static_assert(svm::device<device, page>);
static_assert(!svm::two_pass_device<device> && !svm::iova_device<device, page> && !svm::noncoherent_device<device> &&
              !svm::queue_device<device>);
static_assert(svm::two_pass_device<full_device> && svm::iova_device<full_device, page> &&
              svm::noncoherent_device<full_device> && svm::queue_device<full_device>);
static_assert(svm::pagemap<pagemap, page, device>);
static_assert(!svm::coherent_pagemap<pagemap> && !svm::piecewise_pagemap<pagemap, page>);
static_assert(svm::coherent_pagemap<full_pagemap> && svm::piecewise_pagemap<full_pagemap, page>);
static_assert(svm::migrating_policies<policies> && svm::migrating_policies<full_policies>);
static_assert(svm::gpuvm_types<gpuvm_types>);

}  // namespace archetypes
