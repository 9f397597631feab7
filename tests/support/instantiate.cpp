// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The one place where the library is instantiated with the simulated machine, every member function included: tests
// link it instead of compiling it again, and the thread-safety analysis sees it whole.

#include <support/machine.hpp>

template class svm::mock::machine<support::lock_policy>;
template class svm::mock::address_space<support::lock_policy>;
template class svm::mock::gpu<support::lock_policy>;
template class svm::mock::vram<support::lock_policy>;
template class svm::mock::iommu<support::lock_policy>;
template class svm::mock::notifiers<support::lock_policy>;
template class svm::port::notifier_list<support::lock_policy>;
template class svm::mock::physical_memory<support::lock_policy>;
template class svm::gpusvm<support::policies>;
template class svm::notifier<support::policies>;
template class svm::range<support::policies>;
template class svm::locked_range<support::policies>;
template class svm::device_mapping<support::policies>;
template class svm::migrator<support::policies>;
template class svm::devmem<support::policies>;
template class svm::zdd<support::policies>;
template class svm::transfer<support::policies>;
template class svm::driver_base<support::policies>;
template class svm::svm_driver<support::policies>;
template class svm::queue_driver<support::policies>;
template class svm::kept_spans<support::policies>;
template class svm::garbage_collector<support::policies>;
template class svm::mapped_buffer<support::policies>;
template class svm::attribute_map<support::policies>;
template class svm::attribute_span<support::policies>;
template class svm::device_account<support::policies>;
template class svm::migrator_cache<support::policies>;
template class svm::migrator_shrinker<support::policies>;
template class svm::migration_to_system<support::policies>;
