"""The page from Python: beside a run of fit, and of what it returned."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import UsageError
from schuss.web import watch as watching
from tests.web.support import Client

X = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]


class Own(nn.Module):
    """A class of the user's own."""

    def __init__(self) -> None:
        self.first, self.last = nn.Linear(1, 8), nn.Linear(8, 1)

    def forward(self, x: Any) -> Any:
        return self.last(schuss.tanh(self.first(x)))


def own_loss(pred: Any, target: Any) -> Any:
    return ((pred - target) ** 2).mean()


def fit(**options: Any) -> Any:
    given = {"loss": own_loss, "optimizer": optim.Adam(lr=0.01), "epochs": 40, "batch_size": 16, "threads": 1}
    return schuss.fit(Own(), (X, np.sin(3 * X)), **{**given, **options})


def test_a_run_of_any_model_and_loss_has_a_page(capsys: pytest.CaptureFixture[str]):
    """While it trains it is live and can be steered; then it stays, and changes no bit of the run."""
    seen: dict[str, Any] = {}

    def look(run: Any) -> None:
        if run.epochs == 20:
            client = Client(schuss.watch(run)._page)
            seen["hello"] = next(client.events())
            client.post("control", {"do": "lr", "value": 0.01})

    run = fit(watch=True, callbacks=[look])
    page = schuss.watch(run)
    try:
        assert capsys.readouterr().err.startswith(f"page at http://127.0.0.1:{page._page.port}/")
        assert seen["hello"]["mode"] == "train"
        assert seen["hello"]["controls"]
        assert seen["hello"]["model"] == "Own"
        assert len(run.path) > 100
        client = Client(page._page)
        assert client.get("function")["kind"] == "curve"
        assert client.get("graph.json?example=3")["loss"] >= 0
        hello = next(client.events())
        assert hello["curve"]["step"][-1] == 160
        plain = fit(callbacks=[lambda run: None])
        for name, parameter in nn.named_parameters(run.model).items():
            np.testing.assert_array_equal(parameter.data, nn.named_parameters(plain.model)[name].data)
    finally:
        page.close()
    assert not page._page.is_open


def test_what_fit_returned_can_be_looked_at(capsys: pytest.CaptureFixture[str]):
    run = fit(record=True, validation=0.25)
    page = schuss.watch(run)
    try:
        hello = next(Client(page._page).events())
        assert (hello["mode"], hello["rows"], hello["rows_test"], hello["epochs"]) == ("view", 48, 16, 40)
        assert len(hello["path"]) == len(run.path) == len(hello["moments"])
        assert hello["history"]["loss"] == run.history["loss"]
        assert hello["state"]["metrics"] == {}, "the loss of the rows held out is no metric of its own"
        assert repr(page) == f"page at {page.address}"
        assert capsys.readouterr().err == f"page at {page.address}\n"
    finally:
        page.close()
    other = schuss.watch(run.model, data=(X, np.sin(3 * X)))  # a model alone, with data
    try:
        assert next(Client(other._page).events())["rows"] == 64
    finally:
        other.close()
    for wrong in (42, "model"):
        with pytest.raises((UsageError, schuss.errors.SchussError)):
            schuss.watch(wrong)


def test_a_model_that_was_not_fitted_has_a_page_with_data_and_a_loss():
    model = Own()
    with pytest.raises(UsageError, match=r"watch: the model was not fitted.*viz.as_run\(model, x, y, loss=.*data="):
        schuss.watch(model)
    nn.initialize(model)
    page = schuss.watch(schuss.viz.as_run(model, X, np.sin(3 * X), loss=own_loss))
    assert Client(page._page).get("function")["kind"] == "curve"
    page.close()


def test_a_notebook_shows_it_in_a_frame(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    shown: list[Any] = []
    shell = SimpleNamespace(kernel=object())
    fake = SimpleNamespace(get_ipython=lambda: shell, display=SimpleNamespace(display=shown.append))
    monkeypatch.setitem(sys.modules, "IPython", fake)
    assert watching._notebook() is not None
    page = schuss.watch(fit(epochs=2))
    try:
        assert shown == [page]
        assert f'<iframe src="{page.address}"' in page._repr_html_()
        assert capsys.readouterr().err == ""
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", page._page.port, timeout=10)
        connection.request("GET", f"/{page._page.token}/")
        policy = connection.getresponse().headers["content-security-policy"]
        connection.close()
        assert policy.endswith("frame-ancestors 'self' http://localhost:* http://127.0.0.1:*")
    finally:
        page.close()
