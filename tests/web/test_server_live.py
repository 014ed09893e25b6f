"""A run that is being trained: what its page shows, and how it is steered from there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.train.fit import prepare
from schuss.train.moments import Moment
from schuss.web.live import Live, telling
from schuss.web.server import Page
from tests.web.support import Client, digits_like, network
from tests.web.test_server_stream import hung

ENDLESS = 10**6


class Training:
    """A run in a thread of its own, on a page."""

    def __init__(
        self, epochs: int = ENDLESS, data: Any = None, model: Any = None, loss: Any = None, lr: Any = 0.01
    ) -> None:
        x, y = data or digits_like()
        self.control = schuss.Control()
        self.trainer = prepare(
            model or network(), (x, y), loss=loss or nn.CrossEntropyLoss(), optimizer=optim.Adam(lr=lr),
            epochs=epochs, batch_size=16, validation=None, seed=0, threads=1, record=0.02, control=self.control,
            scale=1 / 255 if x.dtype == np.uint8 else None,
        )  # fmt: skip
        self.live = Live(self.trainer, self.control, "pictures", {"x0": x[:9], "y": y[:9]})
        self.page = Page(self.live).start()
        self.live.start()
        self.client = Client(self.page)
        self.thread = threading.Thread(target=self._train)
        self.thread.start()

    def _train(self) -> None:
        try:
            self.trainer.train(self.live.progress)
        finally:
            self.live.finish()

    def end(self) -> None:
        self.control.stop()
        self.thread.join(20)
        assert not self.thread.is_alive()
        self.page.stop()


@pytest.fixture
def training() -> Iterator[Callable[..., Training]]:
    begun: list[Training] = []

    def begin(**options: Any) -> Training:
        begun.append(Training(**options))
        return begun[-1]

    yield begin
    for one in begun:
        one.end()


def wait(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_the_stream_tells_how_the_run_goes(training: Any):
    client = training().client
    seen: dict[str, list[dict[str, Any]]] = {}
    for event in client.events(20):
        seen.setdefault(event["type"], []).append(event)
        told_of = all(kind in seen for kind in ("path", "epoch"))
        if len(seen.get("state", ())) >= 4 and len(seen.get("moment", ())) >= 8 and told_of:
            break
    hello = seen["hello"][0]
    assert (hello["mode"], hello["controls"], hello["label"]) == ("train", True, "pictures")
    assert (hello["rows"], hello["rows_test"], hello["epochs"]) == (96, 9, ENDLESS)
    steps = [m["step"] for m in seen["moment"]]  # the first ones may be in the hello as well
    assert steps == sorted(set(steps))
    assert steps[-1] > max((m["step"] for m in hello["moments"]), default=-1)
    told = [m["loss"] for m in hello["moments"] + seen["moment"]]
    losses = [loss for loss in told if loss is not None]  # the moment before the first step has none
    assert len(losses) >= len(told) - 1
    assert losses[-1] < losses[0]
    state = seen["state"][-1]
    assert state["running"]
    assert state["steps"] == 6 * ENDLESS
    assert 0 < state["step"] < state["steps"]
    assert state["epoch"] == state["step"] // 6
    assert state["speed"] > 0
    assert state["left"] > 0
    assert state["metrics"]["accuracy"] > 0.5
    assert state["lr"] == pytest.approx(0.01)
    rows = seen["epoch"]
    epochs = [r["epoch"] for r in rows]  # hundreds pass between two looks: some of them are told
    assert epochs == sorted(set(epochs))
    assert len(hello["history"].get("epoch", [])) <= 500  # none where the page opens within the first epoch
    assert all(len(point) == 3 for point in seen["path"][-1]["path"])


def test_no_peak_is_thinned_away():
    """Of many epochs those are told where the losses are lowest and highest, and the last."""
    rng = np.random.default_rng(0)
    columns = {"epoch": list(range(1, 5001)), "loss": rng.uniform(1, 2, 5000).tolist()}
    columns["val_loss"] = rng.uniform(1, 2, 5000).tolist()
    columns["loss"][3333], columns["val_loss"][1234] = 768.0, 0.01
    for most in (8, 500):
        rows = telling(columns, range(5000), most)
        assert len(rows) <= most
        assert rows == sorted(set(rows))
        assert {3333, 1234, 4999} <= set(rows)
    assert telling(columns, range(10, 14), 8) == [10, 11, 12, 13]
    assert len(telling({}, range(100), 8)) <= 8


def test_the_curve_is_told_as_it_grows(training: Any):
    run = training(epochs=2000)
    told = 0.0
    for event in run.client.events(20):
        if event["type"] == "hello" and event["curve"]["step"]:
            told = event["curve"]["step"][-1]
        if event["type"] == "curve":
            assert event["curve"].keys() >= {"step", "epoch", "loss", "loss/low", "loss/high", "accuracy"}
            assert event["curve"]["step"][-1] > told
            break
    else:
        raise AssertionError("no curve")


def test_steering(training: Any):
    run = training()
    client, trainer = run.client, run.trainer
    wait(lambda: trainer.position.counter > 100)
    assert client.post("control", {"do": "pause"}) == {"ok": True}
    assert client.until("state", paused=True)["running"] is False
    wait(lambda: run.control.holds)
    time.sleep(0.2)
    at = trainer.position.counter
    client.post("control", {"do": "step", "value": 3})
    wait(lambda: trainer.position.counter == at + 3)
    client.post("control", {"do": "step"})
    wait(lambda: trainer.position.counter == at + 4)
    time.sleep(0.2)
    assert trainer.position.counter == at + 4
    wait(lambda: run.live._snapshot()[0] == at + 4)  # pictures are of the step just made
    client.post("control", {"do": "lr", "value": 0.002})
    wait(lambda: trainer.run.changes[-1]["what"] == "lr")
    assert client.until("state", paused=True)["lr"] == pytest.approx(0.002)
    client.post("control", {"do": "resume"})
    wait(lambda: trainer.position.counter > at + 50)
    for wrong in (
        {"do": "step", "value": 0},
        {"do": "step", "value": 1.5},
        {"do": "lr", "value": None},
        {"do": "jump"},
    ):
        assert client.refused("control", wrong)
    client.post("control", {"do": "stop"})
    run.thread.join(10)
    assert trainer.run.stopped == "stopped by hand"
    made = [(c["what"], c["from"], c["to"]) for c in trainer.run.changes]
    assert [m[0] for m in made] == ["pause", "step", "step", "lr", "resume", "stop"]
    assert made[3][1:] == (pytest.approx(0.01), pytest.approx(0.002))
    hello = next(client.events())
    assert hello["changes"] == trainer.run.changes
    assert hello["state"]["finished"]
    assert "ended" in client.refused("control", {"do": "pause"})


def test_a_rate_set_by_hand_is_held_or_scales_the_schedule(training: Any):
    """And the page says which; it is held unless the schedule is asked for."""
    run = training(lr=optim.OneCycle(0.01, 6 * ENDLESS))
    wait(lambda: run.trainer.position.counter > 20)
    assert run.live.state()["schedule"] == "runs"
    run.client.post("control", {"do": "lr", "value": 0.002})
    wait(lambda: run.live.state()["schedule"] == "held")
    at = run.trainer.position.counter
    wait(lambda: run.trainer.position.counter > at + 200)
    assert run.live.state()["lr"] == pytest.approx(0.002)
    run.client.post("control", {"do": "scale", "value": 0.004})
    wait(lambda: run.live.state()["schedule"] == "scaled")
    wait(lambda: run.live.state()["lr"] > 0.004)  # it rises from there with the steps that follow
    assert [c.get("held") for c in run.trainer.run.changes] == [True, None]


def test_the_graph_has_the_values_and_gradients_of_a_snapshot(training: Any):
    """They equal schuss.grad's at the recorded weights, for the example chosen; nothing is tapped."""
    run = training()
    wait(lambda: len(run.trainer.run.path) > 3)
    run.client.post("control", {"do": "pause"})
    wait(lambda: run.control.holds and run.trainer.run.path[-1].step == run.trainer.position.counter)
    x, y = digits_like()
    weights = run.trainer.run.path[-1].weights
    model = network()
    nn.load_state_dict(model, weights)

    def loss(model: Any, x: Any, y: Any) -> Any:
        return nn.CrossEntropyLoss()(model(x), y)

    for name, index in (("train", 5), ("test", 2)):
        found = run.client.get(f"graph.json?set={name}&example={index}")
        row = x[index : index + 1].astype(np.float32) / np.float32(255)
        value, gradient = schuss.value_and_grad(loss)(model, row, y[index : index + 1])
        assert found["loss"] == pytest.approx(float(value), rel=1e-5)
        last = next(op for op in found["ops"] if any(flow["to"] == "2.bias" for flow in op["flows"]))
        numbers = next(flow["product"]["numbers"] for flow in last["flows"] if flow["to"] == "2.bias")
        np.testing.assert_allclose(np.ravel(numbers), gradient["2.bias"], rtol=1e-4, atol=1e-7)
        one = run.client.get(f"graph.json?set={name}&example={index}&op={last['name']}")
        assert one["op"] == last
        status, svg = run.client("GET", f"graph.svg?set={name}&example={index}")
        assert status == 200
        assert svg.startswith(b"<svg")


def test_the_picture_does_not_touch_the_run(training: Any):
    """The page works on a copy of the model: the trainer's own parameters stay as they were before the run."""
    run = training()
    before = {n: p.data.copy() for n, p in run.trainer.parameters.items()}
    wait(lambda: len(run.trainer.run.path) > 3)
    run.client.post("predict", {"x": [0] * 64})
    assert run.live.subject._step > 0
    for name, parameter in run.trainer.parameters.items():
        np.testing.assert_array_equal(parameter.data, before[name])


def test_reading_a_drawing(training: Any):
    run = training()
    wait(lambda: run.live._snapshot()[0] > 300)  # recorded: what the page reads with
    x, y = digits_like()
    for i in range(3):
        found = run.client.post("predict", {"x": x[i].tolist()})
        assert sum(found["y"]) == pytest.approx(1, abs=1e-5)
        assert int(np.argmax(found["y"])) == y[i]
        assert [layer["shape"] for layer in found["layers"]][-1] == [3]
        assert all(len(layer["values"]) == int(np.prod(layer["shape"])) for layer in found["layers"])
    drawn = run.client.post("predict", {"x": [255 if i % 8 == 1 else 0 for i in range(64)], "drawn": True})
    assert len(drawn["x"]) == 64
    assert max(drawn["x"]) == 255
    assert run.client.post("predict", {"x": [0] * 64, "drawn": True})["x"] == [0] * 64


def test_the_fine_surface_on_request(training: Any):
    run = training()
    wait(lambda: len(run.trainer.run.path) > 5)
    run.client.post("control", {"do": "pause"})
    seen: list[dict[str, Any]] = []

    def read() -> None:
        seen.append(run.client.until("landscape", fine=True))

    reader = threading.Thread(target=read)
    reader.start()
    wait(lambda: run.page.site.hub.readers)
    run.client.post("landscape", {"size": 9, "rows": 50})
    reader.join(20)
    (found,) = seen
    assert len(found["a"]) == len(found["b"]) == len(found["loss"]) == len(found["loss"][0]) == 9
    assert found["rows"] == 50
    assert {**next(run.client.events())["landscape"], "of": "main"} == found


def test_the_coarse_surface_comes_by_itself_when_time_allows(training: Any):
    run = training(epochs=2000)
    run.thread.join(30)
    found = run.client.until("hello") if run.live.landscape else run.client.until("landscape")
    land = found.get("landscape") or found
    assert len(land["a"]) == 15
    assert land["fine"] is False


def test_hung_readers_do_not_slow_the_run(training: Any):
    run = training()
    sockets = [hung(run.client) for _ in range(8)]
    wait(lambda: len(run.page.site.hub.readers) == 8)
    before = run.trainer.position.counter
    wait(lambda: run.trainer.position.counter > before + 100)
    for s in sockets:
        s.close()


def test_a_curve_is_drawn_as_it_is_learned(training: Any):
    x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    run = training(data=(x, np.sin(3 * x)), model=network(1, 1), loss=nn.MSELoss())
    found = run.client.until("function")
    assert found["kind"] == "curve"
    assert len(found["x"]) == len(found["y"])
    assert found["data"]["y"] == pytest.approx(np.sin(3 * x)[:, 0].tolist(), abs=1e-6)
    later = run.client.until("function")
    assert later["axes"] == found["axes"]
    assert later["step"] > found["step"]


def test_a_fault_of_the_page_is_told_once_and_ends_no_thread(training: Any, caplog: pytest.LogCaptureFixture):
    x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    run = training(data=(x, np.sin(3 * x)), model=network(1, 1), loss=nn.MSELoss())
    names = {"schuss-page-watch", "schuss-page-mountain"}

    def broken() -> None:
        raise ValueError("a mistake\nof ours")

    function, follow = run.live.subject.function, run.live.mountain._follow
    run.live.subject.function = run.live.mountain._follow = broken  # type: ignore[method-assign]
    wait(lambda: len(run.live._troubles) == 2)
    line = f"(line: {__file__}:{broken.__code__.co_firstlineno + 1})"  # as code of the user's
    texts = {
        f"{what} failed: ValueError: a mistake of ours {line}" for what in ("looking at the run", "following the path")
    }
    assert set(next(run.client.events())["troubles"]) == texts
    time.sleep(1.2)
    assert sorted(r.getMessage() for r in caplog.records) == sorted(f"page: {text}" for text in texts)
    assert names <= {t.name for t in threading.enumerate()}
    run.live.subject.function, run.live.mountain._follow = function, follow  # type: ignore[method-assign]
    assert run.client.until("function")["kind"] == "curve"
    run.client.until("path")


def test_a_fault_is_told_to_who_reads(training: Any):
    run = training()
    run.live.mountain._follow = lambda: 1 / 0  # type: ignore[method-assign]
    told = run.client.until("trouble")["text"]
    assert told.startswith("following the path failed: ZeroDivisionError: division by zero (line: ")


def test_the_end_is_told_in_any_case(training: Any):
    run = training()
    run.live.state = lambda: 1 / 0  # type: ignore[method-assign]
    run.live.hello = lambda: {"type": "hello"}  # type: ignore[method-assign]
    seen: list[dict[str, Any]] = []
    reader = threading.Thread(target=lambda: seen.append(run.client.until("end")))
    reader.start()
    wait(lambda: run.page.site.hub.readers)
    run.control.stop()
    reader.join(10)
    assert seen == [{"type": "end", "of": "main"}]


def test_one_operation_asks_for_its_own_numbers(training: Any, monkeypatch: pytest.MonkeyPatch):
    """A graph of thousands of operations is not written for the sake of one."""
    from schuss.viz.graph.network import Network

    run = training()
    run.client.post("control", {"do": "pause"})
    wait(lambda: run.control.holds)
    written: list[str] = []
    real = Network._op
    monkeypatch.setattr(Network, "_op", lambda self, step: written.append(step.name) or real(self, step))
    name = run.client.get("graph.json?example=0")["order"][3]
    assert len(written) > 3
    written.clear()
    assert run.client.get(f"graph.json?example=0&op={name}")["op"]["name"] == name
    assert written == [name]
    assert run.client("GET", "graph.json?example=0&op=nothing") == (
        400,
        b'{"error":"there is no operation \'nothing\'"}',
    )


def test_a_snapshot_is_of_one_moment(training: Any):
    """Step and weights belong together, whatever the training thread appends meanwhile."""
    run = training()

    class Growing(list[Any]):
        def __getitem__(self, i: Any) -> Any:
            self.append(Moment(len(self), 0.0, 0.0, 0.0, {}, None, {"w": np.array(len(self))}))
            return super().__getitem__(i)

    run.live.trainer = SimpleNamespace(run=SimpleNamespace(path=Growing([None])))  # type: ignore[assignment]
    step, weights = Live._snapshot(run.live)
    run.live.trainer = run.trainer
    assert step == weights["w"]


def test_a_graph_is_drawn_again_only_for_other_weights(training: Any, monkeypatch: pytest.MonkeyPatch):
    """One of ten thousand operations takes seconds, and of a paused run or a finished model it stays the same."""
    from schuss.web import site
    from schuss.web.subject import Subject

    monkeypatch.setattr(site, "FRESH", 0.0)
    monkeypatch.setattr(site, "SAME", 0.0)
    monkeypatch.setattr(site, "GRAPH_SHARE", 1e9)
    drawn: list[int] = []
    real = Subject.graph
    monkeypatch.setattr(Subject, "graph", lambda self, *a, **o: drawn.append(1) or real(self, *a, **o))
    run = training()
    client = run.client
    client.post("control", {"do": "pause"})
    wait(lambda: run.control.holds and run.trainer.run.path[-1].step == run.trainer.position.counter)
    for _ in range(3):
        client.get("graph.json?example=0&op=" + client.get("graph.json?example=0")["result"])
        client("GET", "graph.svg?example=0")
    assert len(drawn) == 1
    at = run.trainer.position.counter
    client.post("control", {"do": "step"})
    wait(lambda: run.live._snapshot()[0] == at + 1)
    client("GET", "graph.svg?example=0")
    client("GET", "graph.svg?example=1")
    assert len(drawn) == 3
