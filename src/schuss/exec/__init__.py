"""Executors: reference (numpy, the specification) and native (generated machine code). See schuss.ir.executors."""
