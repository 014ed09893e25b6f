"""Handwritten digits with primitives only: x -> L1 -> S -> L2 -> softmax cross entropy.

The chain rule is printed for a few digits (large tensors by their range), then gradient descent on small
batches reads 60,000 digits twice.
"""

from __future__ import annotations

import numpy as np

import schuss
from schuss.data import load_mnist


def scores(weights, images):
    """One number for each digit: the higher, the likelier."""
    x = images.astype("float32") / 255.0
    L1 = x @ weights["W1"] + weights["b1"]
    S = schuss.sigmoid(L1)
    L2 = S @ weights["W2"] + weights["b2"]
    return L2


def cross_entropy(weights, images, labels):
    """Mean of -log(softmax of the right digit's score), with the largest score taken off first."""
    L2 = scores(weights, images)
    shifted = L2 - schuss.stop_gradient(L2.max(axis=1, keepdims=True))
    log_sum = schuss.log(schuss.exp(shifted).sum(axis=1))
    right = (shifted * schuss.one_hot(labels, classes=10)).sum(axis=1)
    loss = (log_sum - right).mean()
    return loss


def first_weights(hidden: int = 64):
    """Normal numbers, scaled by the number of inputs of a unit."""
    rng = np.random.default_rng(0)
    return {
        "W1": (rng.normal(size=(784, hidden)) / 28.0).astype(np.float32),
        "b1": np.zeros(hidden, np.float32),
        "W2": (rng.normal(size=(hidden, 10)) / np.sqrt(hidden)).astype(np.float32),
        "b2": np.zeros(10, np.float32),
    }


def main(epochs: int = 2, batch: int = 100, lr: float = 1.0) -> float:
    """Explain one step, train, and return the share of test digits read right."""
    digits = load_mnist()
    images, labels = digits.x_train.reshape(-1, 784), digits.y_train
    weights = first_weights()
    print(schuss.explain(cross_entropy, weights, images[:3], labels[:3]))

    print("\nGRADIENT DESCENT")
    step = schuss.jit(schuss.value_and_grad(cross_entropy))
    order = np.random.default_rng(0)
    for epoch in range(epochs):
        total = 0.0
        for rows in order.permutation(len(images)).reshape(-1, batch):
            loss, gradient = step(weights, images[rows], labels[rows])
            weights = {name: weights[name] - lr * gradient[name] for name in weights}
            total += float(loss)
        print(f"epoch {epoch + 1}  mean loss {total * batch / len(images):.4f}")

    found = schuss.jit(scores)(weights, digits.x_test.reshape(-1, 784))
    accuracy = float((found.argmax(axis=1) == digits.y_test).mean())
    print(f"{accuracy:.1%} of the 10,000 test digits are read right")
    return accuracy


if __name__ == "__main__":
    main()
