"""Data: arrays from what users hold, data sets from files, the bundled MNIST, the order of batches."""

from schuss.data.arrays import are_yes_or_no, as_array, check_finite, check_labels, labels_among
from schuss.data.batching import Orders, epoch_order, split_validation
from schuss.data.bundled import load_mnist
from schuss.data.dataset import Dataset, checked_dataset
from schuss.data.labels import labels_of, names_in
from schuss.data.load import load_dataset, load_rows
from schuss.data.rows import Rows
from schuss.data.source import DataSource
from schuss.tables import SOURCES

__all__ = [
    "SOURCES",
    "DataSource",
    "Dataset",
    "Orders",
    "Rows",
    "are_yes_or_no",
    "as_array",
    "check_finite",
    "check_labels",
    "checked_dataset",
    "epoch_order",
    "labels_among",
    "labels_of",
    "load_dataset",
    "load_mnist",
    "load_rows",
    "names_in",
    "split_validation",
]
