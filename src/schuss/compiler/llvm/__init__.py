"""What LLVM is told: vectors, loops, mathematics, this machine; and object code, linked and kept on disk."""
