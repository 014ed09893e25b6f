"""Convolutions and pools of all kinds, for the tests of layers and of the compiler."""

from __future__ import annotations

# x's shape, weight's shape, stride, padding, dilation, groups
CONVOLUTIONS = {
    "LeNet's first": ((2, 1, 9, 9), (3, 1, 5, 5), 1, 2, 1, 1),
    "LeNet's second": ((2, 3, 7, 7), (4, 3, 5, 5), 1, 0, 1, 1),
    "one place": ((2, 3, 3, 4), (2, 3, 3, 4), 1, 0, 1, 1),
    "strides that leave a rest": ((2, 2, 8, 9), (3, 2, 3, 2), (3, 2), 0, 1, 1),
    "strided and padded": ((2, 2, 7, 6), (3, 2, 3, 3), 2, 1, 1, 1),
    "stride beyond the kernel": ((2, 1, 9, 8), (2, 1, 2, 1), (4, 3), (0, 1), 1, 1),
    "dilated": ((2, 2, 9, 8), (3, 2, 3, 2), 1, (2, 1), (2, 3), 1),
    "dilated and strided": ((2, 2, 11, 9), (2, 2, 3, 3), (2, 3), 2, (3, 2), 1),
    "same": ((2, 2, 5, 6), (3, 2, 4, 3), 1, "same", (1, 2), 1),
    "groups": ((2, 4, 5, 6), (6, 2, 3, 3), 1, 1, 1, 2),
    "depthwise": ((2, 3, 6, 5), (6, 1, 3, 2), 2, 1, 1, 3),
    "1 x 1": ((2, 3, 4, 5), (4, 3, 1, 1), 1, 0, 1, 1),
    "along one axis": ((2, 3, 11), (4, 3, 4), 2, 3, 2, 1),
    "along one axis in groups": ((2, 4, 9), (4, 2, 3), 1, "valid", 1, 2),
}

# x's shape, size, stride, padding, dilation
POOLS = {
    "halves": ((2, 3, 6, 4), 2, 2, 0, 1),
    "halves of odd lengths": ((2, 3, 7, 5), 2, 2, 0, 1),
    "overlapping": ((2, 2, 7, 8), 3, 2, 1, 1),
    "side by side": ((2, 2, 5, 6), (2, 3), 1, (1, 0), 1),
    "dilated": ((2, 1, 9, 8), (3, 2), (2, 1), 1, (2, 3)),
    "along one axis": ((2, 3, 9), 3, 2, 1, 1),
}
