// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The recorder of locks, tested by misuse: each case breaks one rule and sees it reported.

#include <string>

#include <support/lock_complaints.hpp>
#include <support/world.hpp>

using namespace support;

namespace {

using svm::lock_rank;
using svm::mock::this_thread_locks;

template <lock_rank Rank>
using mutex = lock_policy::mutex<Rank>;
template <lock_rank Rank>
using shared_mutex = lock_policy::shared_mutex<Rank>;

// Misuse is the point here, so Clang's analysis is kept from seeing it.
template <class Lock>
void lock(Lock& l) SVM_NO_THREAD_SAFETY_ANALYSIS {
  l.lock();
}
template <class Lock>
void unlock(Lock& l) SVM_NO_THREAD_SAFETY_ANALYSIS {
  l.unlock();
}
template <class Lock>
void lock_shared(Lock& l) SVM_NO_THREAD_SAFETY_ANALYSIS {
  l.lock_shared();
}
template <class Lock>
void unlock_shared(Lock& l) SVM_NO_THREAD_SAFETY_ANALYSIS {
  l.unlock_shared();
}
template <class Lock>
[[nodiscard]] bool try_lock(Lock& l) SVM_NO_THREAD_SAFETY_ANALYSIS {
  return l.try_lock();
}
template <class Lock>
[[nodiscard]] bool try_lock_shared(Lock& l) SVM_NO_THREAD_SAFETY_ANALYSIS {
  return l.try_lock_shared();
}

/// Starts and ends with no lock held and nothing said.
struct clean {
  clean() {
    CHECK(this_thread_locks.depth() == 0);
    CHECK(lock_complaints() == "");
  }
  ~clean() {
    CHECK(this_thread_locks.depth() == 0);
    CHECK(lock_complaints() == "");
  }
};

}  // namespace

TEST_SUITE("mock/rank_checked") {
  TEST_CASE_FIXTURE(clean, "ranks taken in rising order are fine, in whatever order they are given up") {
    shared_mutex<lock_rank::vm> vm;
    mutex<lock_rank::range> range;
    shared_mutex<lock_rank::notifier> notifier;
    lock_shared(vm);
    lock(range);
    lock(notifier);
    CHECK(this_thread_locks.depth() == 3);
    unlock_shared(vm);
    unlock(notifier);
    unlock(range);
    CHECK(lock_complaints() == "");
  }

  TEST_CASE_FIXTURE(clean, "every two neighbours in the order of ranks are told apart") {
    mutex<lock_rank::leaf_page_table> lower;
    mutex<lock_rank::leaf_device_memory> upper;
    lock(upper);
    lock(lower);
    CHECK(lock_complaints() == "O-36: the page table lock is taken while the device memory lock is held");
    unlock(lower);
    unlock(upper);
  }

  TEST_CASE_FIXTURE(clean, "a lower rank taken under a higher one is the wrong order") {
    mutex<lock_rank::range> range;
    shared_mutex<lock_rank::notifier> notifier;
    lock(notifier);
    lock(range);
    CHECK(lock_complaints() == "O-36: the range lock is taken while the notifier lock is held");
    unlock(range);
    unlock(notifier);
  }

  TEST_CASE_FIXTURE(clean, "the wrong order is found between locks held shared as well") {
    shared_mutex<lock_rank::vm> vm;
    shared_mutex<lock_rank::mm> map;
    lock_shared(map);
    lock_shared(vm);
    CHECK(lock_complaints() == "O-36: the vm lock is taken while the mm lock is held");
    unlock_shared(vm);
    unlock_shared(map);
  }

  TEST_CASE_FIXTURE(clean, "the wrong order is found under a lock that lies deeper in the stack") {
    mutex<lock_rank::range> range;
    shared_mutex<lock_rank::mm> map;
    mutex<lock_rank::page> page;
    mutex<lock_rank::device> device;
    lock(range);
    lock(page);
    lock(device);
    lock_shared(map);
    CHECK(lock_complaints() ==
          "O-36: the mm lock is taken while the page lock is held|O-36: the mm lock is taken while the device lock is "
          "held");
    unlock_shared(map);
    unlock(device);
    unlock(page);
    unlock(range);
  }

  TEST_CASE_FIXTURE(clean, "two locks of one rank are never held at once") {
    shared_mutex<lock_rank::notifier> one;
    shared_mutex<lock_rank::notifier> two;
    lock(one);
    lock(two);
    CHECK(lock_complaints() == "O-36: the notifier lock is taken while the notifier lock is held");
    unlock(two);
    unlock(one);
  }

  TEST_CASE_FIXTURE(clean, "a lock taken twice by one thread would wait for ever") {
    mutex<lock_rank::range> range;
    lock(range);
    lock(range);
    CHECK(lock_complaints() == "O-36: the range lock is taken twice by one thread");
    unlock(range);
    unlock(range);
  }

  TEST_CASE_FIXTURE(clean, "readers do not nest") {
    shared_mutex<lock_rank::mm> map;
    lock_shared(map);
    lock_shared(map);
    CHECK(lock_complaints() == "O-36: the mm lock is taken twice by one thread");
    unlock_shared(map);
    unlock_shared(map);
  }

  TEST_CASE_FIXTURE(clean, "a reader that asks to write would wait for itself") {
    shared_mutex<lock_rank::notifier> notifier;
    lock_shared(notifier);
    lock(notifier);
    CHECK(lock_complaints() == "O-36: the notifier lock is taken twice by one thread");
    unlock(notifier);
    unlock_shared(notifier);
  }

  TEST_CASE_FIXTURE(clean, "an unlock of what is not held is reported") {
    mutex<lock_rank::device> device;
    unlock(device);
    CHECK(lock_complaints() == "O-36: the device lock is given up without being held so");
  }

  TEST_CASE_FIXTURE(clean, "an unlock of another lock of the same rank is reported") {
    mutex<lock_rank::range> one;
    mutex<lock_rank::range> two;
    lock(one);
    unlock(two);
    CHECK(lock_complaints() == "O-36: the range lock is given up without being held so");
    unlock(one);
  }

  TEST_CASE_FIXTURE(clean, "a lock held shared is not given up as exclusive, nor the reverse") {
    shared_mutex<lock_rank::notifier> notifier;
    lock_shared(notifier);
    unlock(notifier);
    CHECK(lock_complaints() == "O-36: the notifier lock is given up without being held so");
    unlock_shared(notifier);
    lock(notifier);
    unlock_shared(notifier);
    CHECK(lock_complaints() == "O-36: the notifier lock is given up without being held so");
    unlock(notifier);
  }

  TEST_CASE_FIXTURE(clean, "a second unlock is reported") {
    mutex<lock_rank::range> range;
    lock(range);
    unlock(range);
    CHECK(lock_complaints() == "");
    unlock(range);
    CHECK(lock_complaints() == "O-36: the range lock is given up without being held so");
  }

  TEST_CASE_FIXTURE(clean, "a lock that is only tried may be of any rank, since nobody waits for it") {
    mutex<lock_rank::device> device;
    mutex<lock_rank::page> page;
    lock(device);
    CHECK(try_lock(page));
    CHECK(lock_complaints() == "");
    CHECK(this_thread_locks.holds(&page, true));
    unlock(page);
    unlock(device);
  }

  TEST_CASE_FIXTURE(clean, "what was tried counts for the order of what comes next") {
    mutex<lock_rank::device> device;
    shared_mutex<lock_rank::notifier> notifier;
    CHECK(try_lock(device));
    lock_shared(notifier);
    CHECK(lock_complaints() == "O-36: the notifier lock is taken while the device lock is held");
    unlock_shared(notifier);
    unlock(device);
  }

  TEST_CASE_FIXTURE(clean, "a thread does not get by trying what it holds itself") {
    mutex<lock_rank::range> range;
    lock(range);
    CHECK_FALSE(try_lock(range));
    CHECK(this_thread_locks.depth() == 1);
    unlock(range);
    shared_mutex<lock_rank::notifier> notifier;
    lock_shared(notifier);
    CHECK_FALSE(try_lock(notifier));
    CHECK(try_lock_shared(notifier));  // a second reader would get in
    unlock_shared(notifier);
    unlock_shared(notifier);
    lock(notifier);
    CHECK_FALSE(try_lock_shared(notifier));
    unlock(notifier);
  }

  TEST_CASE_FIXTURE(clean, "an assertion that a lock is held wants this lock, in this mode") {
    shared_mutex<lock_rank::notifier> notifier;
    shared_mutex<lock_rank::notifier> another;
    notifier.assert_held();
    CHECK(lock_complaints() == "O-37: notifier not held");
    notifier.assert_held_shared();
    CHECK(lock_complaints() == "O-37: notifier not held");
    lock_shared(notifier);
    notifier.assert_held_shared();
    CHECK(lock_complaints() == "");
    notifier.assert_held();
    CHECK(lock_complaints() == "O-37: notifier not held");
    another.assert_held_shared();
    CHECK(lock_complaints() == "O-37: notifier not held");
    unlock_shared(notifier);
    lock(notifier);
    notifier.assert_held();
    notifier.assert_held_shared();  // to write is more than to read
    CHECK(lock_complaints() == "");
    unlock(notifier);
  }

  TEST_CASE_FIXTURE(clean, "what is held is known by rank") {
    mutex<lock_rank::page> page;
    lock(page);
    CHECK(this_thread_locks.holds_rank(lock_rank::page));
    CHECK_FALSE(this_thread_locks.holds_rank(lock_rank::mm));
    CHECK(this_thread_locks.holds_rank_from(lock_rank::mm));
    CHECK(this_thread_locks.holds_rank_from(lock_rank::page));
    CHECK_FALSE(this_thread_locks.holds_rank_from(lock_rank::notifier));
    unlock(page);
    CHECK_FALSE(this_thread_locks.holds_rank(lock_rank::page));
  }

  TEST_CASE_FIXTURE(clean, "a read section beside locks is fine, where nothing is waited for in it") {
    lock_policy::read_domain domain;
    svm::retire_hook object{+[](svm::retire_hook&) noexcept {}};
    mutex<lock_rank::leaf_collector> collector;
    mutex<lock_rank::leaf_statistics> statistics;
    {
      svm::read_section const inside{domain};
      CHECK(try_lock(statistics));  // nobody waits for it
      unlock(statistics);
    }
    lock(collector);
    { svm::read_section const inside{domain}; }
    domain.retire(object);
    unlock(collector);
    domain.synchronize();
    CHECK(domain.retired() == 0);
    CHECK(lock_complaints() == "");
  }

  TEST_CASE_FIXTURE(clean, "nothing is waited for in a read section") {
    lock_policy::read_domain domain;
    lock_policy::event event;
    mutex<lock_rank::range> range;
    shared_mutex<lock_rank::notifier> notifier;
    lock(range);
    {
      svm::read_section const inside{domain};
      event.wait(range, [] { return true; });
      CHECK(lock_complaints() == "O-36: an event is waited for in a read section");
      lock_shared(notifier);
      CHECK(lock_complaints() == "O-36: the notifier lock is waited for in a read section");
      unlock_shared(notifier);
    }
    unlock(range);
    {
      svm::read_section const inside{domain};
      lock(range);
      CHECK(lock_complaints() == "O-36: the range lock is waited for in a read section");
      unlock(range);
      domain.synchronize();
      CHECK(lock_complaints() == "O-36: readers are waited for in a read section");
    }
  }

  TEST_CASE_FIXTURE(clean, "a thread is in one read section, and leaves what it entered") {
    lock_policy::read_domain one;
    lock_policy::read_domain two;
    auto outer = one.enter();
    auto inner = two.enter();
    CHECK(lock_complaints() == "O-36: a read section is entered in another one");
    two.leave(inner);
    CHECK(lock_complaints() == "");
    one.leave(outer);
    CHECK(lock_complaints() == "O-36: a read section is left that was not entered");
  }

  TEST_CASE_FIXTURE(clean, "nothing is retired in a read section") {
    lock_policy::read_domain domain;
    svm::retire_hook object{+[](svm::retire_hook&) noexcept {}};
    {
      svm::read_section const inside{domain};
      domain.retire(object);
      CHECK(lock_complaints() == "O-36: an object is retired in a read section");
    }
  }

  TEST_CASE_FIXTURE(clean, "nobody waits for readers with a lock held") {
    lock_policy::read_domain domain;
    shared_mutex<lock_rank::vm> vm;
    lock_shared(vm);
    domain.synchronize();
    CHECK(lock_complaints() == "O-36: readers are waited for with a lock held");
    unlock_shared(vm);
    domain.synchronize();
  }

  TEST_CASE_FIXTURE(clean, "no lock that a release may take is held where objects may be released") {
    lock_policy::read_domain domain;
    svm::retire_hook object{+[](svm::retire_hook&) noexcept {}};
    mutex<lock_rank::leaf_allocator> allocator;
    lock(allocator);
    domain.retire(object);
    CHECK(lock_complaints() == "O-36: an object is retired with a lock held that a release may take");
    { svm::read_section const inside{domain}; }
    CHECK(lock_complaints() == "O-36: a read section is left with a lock held that a release may take");
    unlock(allocator);
  }

  TEST_CASE("a lock that is held after a call has returned is reported") {
    world w;
    w.process.map_lock().lock_shared();
    CHECK(w.complaint() == "O-36: a lock is held after a call returned");
    w.process.map_lock().unlock_shared();
    CHECK(lock_complaints() != "");  // the check itself took locks that come before
    CHECK(w.complaint() == "");
  }

  TEST_CASE("the CPU's touch under the map lock is the map lock taken twice") {
    world w;
    w.map(page_bytes);
    {
      svm::shared_guard const guard{w.process.map_lock()};
      CHECK(w.cpu_write(base, 1) == sys::ok);
    }
    CHECK(w.complaint() == "O-36: the mm lock is taken twice by one thread");
  }

  TEST_CASE("a GPU fault that is served under the map lock is the wrong order") {
    world w;
    w.map(page_bytes);
    {
      svm::exclusive_guard const guard{w.process.map_lock()};
      CHECK(w.fault(base) == errc::ok);
    }
    // The walk of a new range comes first, and takes the map lock once more.
    std::string const said = lock_complaints();
    CHECK(said.find("O-36: the mm lock is taken twice by one thread") != std::string::npos);
    CHECK(said.find("O-36: the vm lock is taken while the mm lock is held") != std::string::npos);
    CHECK(w.complaint() == "O-36: a notifier is registered under the map lock or a notifier lock");
  }
}
