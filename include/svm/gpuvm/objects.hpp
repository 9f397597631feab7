// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/construct.hpp>
#include <svm/base/dump.hpp>
#include <svm/base/result.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/config.hpp>
#include <svm/gpuvm/gpuvm.hpp>
#include <svm/gpuvm/object.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace svm::inline v0 {

/// Which objects a space has mappings of: their bos, which of them are external, and which are evicted.
///
/// Locks: the lists of an object by its `list_guard`; the lists of this class by a mutex of its own, which is never
/// held across a call to the driver or to the allocator. So any thread may call any function, the object's guard
/// provided.
/// \source struct drm_gpuvm, drm_gpuvm_bo_*(), drm_gpuvm_validate()
template <class Types>
class gpuvm_objects {
  static_assert(gpuvm_object_types<Types>);

 public:
  using bo = typename gpuvm_object<Types>::shared_bo;
  using object = typename Types::object;
  using mapping = typename Types::mapping;
  using resv = typename Types::reservation;

  /// Memory for one bo, taken where that may fail.
  class [[nodiscard]] spare {
   public:
    explicit spare(gpuvm_objects& owner) : owner_(owner), memory_(owner.allocate()) {}
    ~spare() {
      if (memory_ != nullptr) owner_.deallocate(memory_);
    }
    spare(spare const&) = delete;
    spare& operator=(spare const&) = delete;
    [[nodiscard]] bool has_memory() const { return memory_ != nullptr; }

   private:
    friend gpuvm_objects;
    gpuvm_objects& owner_;
    std::byte* memory_;
  };

  /// \param local  the reservation of the space
  /// \pre all of them outlive this
  gpuvm_objects(gpuvm<Types>& space, resv& local, typename Types::allocator& memory)
      : space_(space), local_(local), memory_(memory) {
    static_assert(std::derived_from<object, gpuvm_object<Types>>, "an object derives from svm::gpuvm_object<Types>");
  }
  gpuvm_objects(gpuvm_objects const&) = delete;
  gpuvm_objects& operator=(gpuvm_objects const&) = delete;
  /// \pre no bo is left
  ~gpuvm_objects() { SVM_ASSERT_OP(bo_count(), ==, 0u); }

  [[nodiscard]] gpuvm<Types>& space() const { return space_; }
  [[nodiscard]] resv& local() const { return local_; }

  /// The bo of an object, with a reference for the caller; makes it when there is none.
  ///
  /// \pre the guard of the object's lists, if it is its reservation
  /// \errors no_memory
  /// \allocs at most one bo, with no lock of the library held
  [[nodiscard]] result<bo*> obtain(object& o) {
    if (bo* const known = find(o)) return known;
    spare memory(*this);
    return obtain(o, memory);
  }
  /// The same with memory taken before; what is not used stays in `memory`.
  ///
  /// \errors no_memory (there is none in `memory`, and no bo yet)
  /// \allocs none
  [[nodiscard]] result<bo*> obtain(object& o, spare& memory) {
    typename gpuvm_object<Types>::lists_held const guard(o);
    if (bo* const known = find_locked(o)) return known;
    if (memory.memory_ == nullptr) return errc::no_memory;
    bool const external = &o.reservation() != &local_;
    bo* const fresh = ::new (std::exchange(memory.memory_, nullptr)) bo(*this, space_, o, external);
    if constexpr (requires { o.get(); }) o.get();
    static_cast<gpuvm_object<Types>&>(o).bos_.push_back(*fresh);
    exclusive_guard const lists(mutex_);
    ++live_;
    if (external) external_.push_back(*fresh);
    return fresh;
  }
  /// The bo of an object with a reference for the caller, or null; see `obtain`.
  [[nodiscard]] bo* find(object& o) {
    typename gpuvm_object<Types>::lists_held const guard(o);
    return find_locked(o);
  }

  void get(bo& b) { b.count_.get(); }
  /// Drops a reference; the last one ends the bo.
  ///
  /// \pre the guard of the object's lists, if it is its reservation
  void put(bo& b) {
    if (!b.count_.put()) return;
    bury(b);
  }
  /// Drops a reference where nothing may be waited for or freed: a bo that ends becomes a zombie until `clean_up`.
  void put_deferred(bo& b) {
    if (!b.count_.put()) return;
    exclusive_guard const lists(mutex_);
    deferred_.push_back(b);
  }
  /// Ends the bos that `put_deferred` left.
  ///
  /// \pre as for `put`, for each of their objects
  void clean_up() {
    for (;;) {
      bo* dead = nullptr;
      {
        exclusive_guard const lists(mutex_);
        dead = deferred_.pop_front();
      }
      if (dead == nullptr) return;
      bury(*dead);
    }
  }

  /// Links a mapping to a bo, which gets a reference more; a mapping without an object stays as it is.
  ///
  /// \pre `b` is that of the mapping's object, or null; the guard of the object's lists
  void link(mapping& m, bo* b) {
    if (b == nullptr) return gpuvm_bo<Types>::link(m, nullptr);
    typename gpuvm_object<Types>::lists_held const guard(b->backing());
    b->count_.get();
    gpuvm_bo<Types>::link(m, b);
  }
  /// Unlinks a mapping, and puts the reference that `link` took.
  void unlink(mapping& m) {
    if (bo* const b = unlink_from_bo(m)) put(*b);
  }
  /// The same with `put_deferred`.
  void unlink_deferred(mapping& m) {
    if (bo* const b = unlink_from_bo(m)) put_deferred(*b);
  }

  /// Marks the bos of an object, in all spaces, as evicted or not. `validate` works through those that are.
  ///
  /// \pre the object's reservation is held
  static void set_evicted(object& o, bool evicted) {
    typename gpuvm_object<Types>::lists_held const guard(o);
    auto& bos = static_cast<gpuvm_object<Types>&>(o).bos_;
    for (bo* b = bos.front(); b != nullptr; b = bos.next(*b)) b->owner_.mark(*b, evicted);
  }

  /// Calls `make_valid(bo&) -> errc` for each evicted bo, until one fails; those that succeed are evicted no more.
  ///
  /// \pre the reservations of the space and of all its external objects are held: see `gpuvm_exec`
  /// \errors what `make_valid` returned: that bo and those behind it are still evicted
  template <class MakeValid>
  [[nodiscard]] errc validate(MakeValid&& make_valid) {
    for (;;) {
      bo* b = nullptr;
      {
        exclusive_guard const lists(mutex_);
        b = evicted_.front();
        while (b != nullptr && !b->count_.try_get()) b = evicted_.next(*b);
      }
      if (b == nullptr) return errc::ok;
      errc const e = make_valid(*b);
      if (e == errc::ok) mark(*b, false);
      put(*b);
      if (e != errc::ok) return e;
    }
  }
  /// True when there is something to validate.
  [[nodiscard]] bool has_evicted() const {
    exclusive_guard const lists(mutex_);
    return !evicted_.empty();
  }

  /// Fills `out` with the external bos, with a reference on each.
  ///
  /// \errors no_memory; `out` is empty
  template <class Array>
  [[nodiscard]] errc collect_external(Array& out) {
    for (std::size_t room = 8;; room *= 2) {
      if (!out.reserve(room)) return errc::no_memory;
      exclusive_guard const lists(mutex_);
      std::size_t n = 0;
      if (external_.count_slow() > room) continue;
      for (bo* b = external_.front(); b != nullptr; b = external_.next(*b))
        if (b->count_.try_get()) out[n++] = b;
      return errc::ok;
    }
  }
  /// Prints how many bos there are, zombies included, and each external one.
  ///
  /// It holds each bo while it prints it; one that ends just then waits for `clean_up`.
  /// \allocs none
  /// \complexity O(bos)
  template <class Out>
  requires text_sink<Out>
  void dump(Out&& out);

  /// The number of bos, zombies included.
  [[nodiscard]] std::size_t bo_count() const {
    exclusive_guard const lists(mutex_);
    return live_;
  }

 private:
  using tags = gpuvm_object<Types>;
  using mutex = typename Types::lock::template mutex<lock_rank::leaf_collector>;

  [[nodiscard]] std::byte* allocate() { return memory_.allocate(sizeof(bo), alignof(bo)); }
  void deallocate(std::byte* place) { memory_.deallocate(place, sizeof(bo), alignof(bo)); }

  [[nodiscard]] bo* find_locked(object& o) SVM_REQUIRES(o.lists_) {
    auto& bos = static_cast<gpuvm_object<Types>&>(o).bos_;
    for (bo* b = bos.front(); b != nullptr; b = bos.next(*b))
      if (&b->space() == &space_ && b->count_.try_get()) return b;
    return nullptr;
  }

  [[nodiscard]] bo* unlink_from_bo(mapping& m) {
    bo* const b = static_cast<bo*>(m.bo());
    if (b == nullptr) return nullptr;
    typename gpuvm_object<Types>::lists_held const guard(b->backing());
    gpuvm_bo<Types>::unlink(m);
    return b;
  }

  [[nodiscard]] bool is_evicted_locked(bo& b) const SVM_REQUIRES(mutex_) {
    return static_cast<list_hook<typename tags::evicted_tag>&>(b).is_linked();
  }
  /// The first bo that is not a zombie, from `b` on in the list of external ones, with a reference; or null.
  [[nodiscard]] bo* get_external_locked(bo* b) SVM_REQUIRES(mutex_) {
    while (b != nullptr && !b->count_.try_get()) b = external_.next(*b);
    return b;
  }

  void mark(bo& b, bool evicted) {
    exclusive_guard const lists(mutex_);
    bool const listed = is_evicted_locked(b);
    if (evicted && !listed) evicted_.push_back(b);
    if (!evicted && listed) evicted_.erase(b);
  }

  /// Ends a bo without references. The object may end with the reference that the bo had on it, so its guard is let go
  /// before.
  void bury(bo& b) {
    object& o = b.backing();
    {
      typename gpuvm_object<Types>::lists_held const guard(o);
      static_cast<gpuvm_object<Types>&>(o).bos_.erase(b);
    }
    {
      exclusive_guard const lists(mutex_);
      if (static_cast<list_hook<typename tags::external_tag>&>(b).is_linked()) external_.erase(b);
      if (is_evicted_locked(b)) evicted_.erase(b);
      --live_;
    }
    b.~bo();
    deallocate(reinterpret_cast<std::byte*>(&b));
    if constexpr (requires { o.put(); }) o.put();
  }

  gpuvm<Types>& space_;
  resv& local_;
  typename Types::allocator& memory_;
  mutable mutex mutex_;  // rank leaf_collector: the four below
  std::size_t live_ SVM_GUARDED_BY(mutex_) = 0;
  intrusive_list<bo, typename tags::external_tag> external_ SVM_GUARDED_BY(mutex_);
  intrusive_list<bo, typename tags::evicted_tag> evicted_ SVM_GUARDED_BY(mutex_);
  intrusive_list<bo, typename tags::deferred_tag> deferred_ SVM_GUARDED_BY(mutex_);
};

}  // namespace svm::inline v0

#include <svm/gpuvm/impl/dump_objects.hpp>
