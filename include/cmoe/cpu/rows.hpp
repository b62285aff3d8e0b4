// Everything that works on the rows of a matrix.
#pragma once

#include "cmoe/cpu/loss.hpp"
#include "cmoe/cpu/norm.hpp"
#include "cmoe/cpu/reduce.hpp"
#include "cmoe/cpu/softmax.hpp"
