"""Machine code: kernels written as LLVM IR, compiled in this process and kept on disk."""
