// SETA: sparse experts, unique and shared, split where tasks overlap; one gate over tasks finds the combination.  arXiv 2601.17616
#pragma once

#include "cmoe/models/adapted.hpp"
#include "cmoe/moe/analytic.hpp"
#include "cmoe/moe/lattice.hpp"
#include "cmoe/pet/sparse.hpp"

namespace cmoe {

// Sparse entries of every map, combined by a softmax over tasks that reads the prompt.
using Seta = Adapted<Shallow<NoDelta>, Deep<SparseDelta>, Gate<PromptMean, TaskLattice<LinearSoftmax>>>;

// The same with the analytic router in place of the trained one: it needs neither memory nor regulariser.
using SetaAnalytic = Adapted<Shallow<NoDelta>, Deep<SparseDelta>, Gate<PromptMean, TaskLattice<LeastSquares>>>;

}  // namespace cmoe
