// The commands that make an attachment what the arguments say, in the order in which they can run.
#pragma once

#include "attach/rows.hpp"
#include "attach/steps.hpp"

namespace sc {

Steps plan_steps(const Request &request, const Facts &facts, const Rows &rows);

}  // namespace sc
