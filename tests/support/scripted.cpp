// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The one place where the library is instantiated with the scripted policies.

#include <support/scripted.hpp>

template class svm::gpusvm<support::scripted_policies<4096>>;
template class svm::notifier<support::scripted_policies<4096>>;
template class svm::range<support::scripted_policies<4096>>;
template class svm::locked_range<support::scripted_policies<4096>>;
template class svm::device_mapping<support::scripted_policies<4096>>;
template class svm::migrator<support::scripted_policies<4096>>;
template struct support::scripted<4096>;
template class svm::gpusvm<support::scripted_policies<65536>>;
template class svm::notifier<support::scripted_policies<65536>>;
template class svm::range<support::scripted_policies<65536>>;
template class svm::locked_range<support::scripted_policies<65536>>;
template class svm::device_mapping<support::scripted_policies<65536>>;
template class svm::migrator<support::scripted_policies<65536>>;
template struct support::scripted<65536>;
