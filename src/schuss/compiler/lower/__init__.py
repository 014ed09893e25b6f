"""From a plan to LLVM IR: a function for each kernel, and the one that runs them all."""
