"""Ray as far as both commands need it: a connection, tasks that report while they run, and how each of them ended.

A task is a process of its own on any machine of the cluster. Machines share the folder of the work, the code and its
Python environment; what a task is to run travels by name. Ray is imported here alone, and only where it was asked for.
"""

from __future__ import annotations

import importlib.util
import itertools
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmark import own_modules
from benchmark.child import one_line
from benchmark.errors import ConfigError, StoreError

PROJECT = Path(__file__).resolve().parents[1]
NEWS_SECONDS = 0.3
CONNECT_SECONDS = 10.0
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_NUM_REDIS_GET_RETRIES": "1",  # of 45 seconds each, for a cluster that has gone
    "RAY_worker_niceness": "0",  # or beside other work tasks of a cluster of this machine's own hardly run
}
"""For Ray in this process, where the user has not set them."""
CARRIED = "IRSTD_"  # environment variables with these first letters travel to the machines


@dataclass(frozen=True)
class Request:
    """What the user asked for: which cluster, and for each task CPU cores, which are also its threads, and GPUs."""

    address: str = "auto"
    cpus: int = 1
    gpus: int = 1
    """Taken only by tasks that use one, on a cluster that has any."""


@dataclass
class Task:
    """A task that was given to Ray."""

    subject: Any
    """What it is about, for the one who gave it."""
    token: int
    reference: Any
    host: str = ""
    started: float | None = None
    """Time of its first word on the monotonic clock; None while it waits for a place."""

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return 0.0 if self.started is None else time.monotonic() - self.started


class Cluster:
    """A connection to a Ray cluster: ``with Cluster(request, work_folder) as cluster``.

    Raises:
        ConfigError: Without the package, or where no cluster answers at the address.
        StoreError: From ``news``, where a machine does not see the work folder, or the cluster is gone.
    """

    def __init__(self, request: Request, shared: Path) -> None:
        if importlib.util.find_spec("ray") is None:
            raise ConfigError("--executor ray needs Ray: pip install -c constraints.txt -e '.[ray]'")
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        import ray
        import ray._private.worker

        # A dead worker makes Ray print pages of its own logs, whatever log_to_driver says; we say it in one line.
        ray._private.worker.print_to_stdstream = lambda *arguments, **more: None
        self.ray, self.request = ray, request
        self.sign = shared.resolve() / f".seen-by-all-{uuid.uuid4().hex}"
        self.tokens = itertools.count()

    def __enter__(self) -> Cluster:
        ray, address = self.ray, self._address()
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
            raise ConfigError(f"--address {address}: no Ray cluster is there; start one with ray start --head, or have "
                              f"one of this machine's own with --address local ({one_line(error)[:150]})") from error
        self.sign.write_text("every machine of the cluster must see this file\n", encoding="utf-8")
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False)
        self.box = ray.remote(num_cpus=0, scheduling_strategy=here)(_mailbox()).remote()
        self.perform = ray.remote(max_retries=0, max_calls=1)(_performer())  # one call: each task has a fresh process
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.sign.unlink(missing_ok=True)
        self.ray.shutdown()

    def _address(self) -> str:
        address = self.request.address
        if address == "auto":
            address = os.environ.get("RAY_ADDRESS") or "auto"
        host, _, port = address.rpartition(":")
        if host and port.isdigit() and "//" not in host:
            try:
                socket.create_connection((host, int(port)), CONNECT_SECONDS).close()  # Ray would try for minutes
            except OSError as error:
                raise ConfigError(f"--address {address}: no Ray cluster answers there ({error})") from error
        return address

    def gpus(self, device: str) -> int:
        """How many a task shall have: those asked for, 0 with the device ``'cpu'`` or where no machine has one."""
        return self.request.gpus if device != "cpu" and self.ray.cluster_resources().get("GPU", 0) else 0

    def start(self, subject: Any, function: Callable[..., dict[str, Any]], arguments: Sequence[Any], *, name: str,
              gpus: int) -> Task:
        """Give Ray a task: ``function(*arguments, send)``, a function of a module, returns the ending of the task."""
        token = next(self.tokens)
        variables = {key: value for key, value in os.environ.items() if key.startswith(CARRIED)}
        place = [str(PROJECT), str(Path.cwd()), str(self.sign), list(own_modules.FOLDERS), variables]
        call = [self.ray.put((function, tuple(arguments)))]  # in a list: opened only once the code has been found
        perform = self.perform.options(name=name, num_cpus=self.request.cpus, num_gpus=gpus)
        return Task(subject, token, perform.remote(place, call, self.box, token))

    def news(self, tasks: Sequence[Task]) -> list[tuple[Task, dict[str, Any]]]:
        """What tasks have said since, and how they ended; waits a moment for it.

        A task says ``{'kind': 'started', 'host'}``, then what it likes; its last word is what its function returned,
        ``{'kind': 'broken', 'error'}`` after an exception, or ``{'kind': 'lost', 'error'}`` when its process or
        its machine died.
        """
        done, _ = self.ray.wait([task.reference for task in tasks], timeout=NEWS_SECONDS)
        by_token = {task.token: task for task in tasks}
        found = [(by_token[token], event) for token, event in self._mail() if token in by_token]
        for task, event in found:
            if event["kind"] == "started":
                task.started, task.host = time.monotonic(), event["host"]
        return found + [(task, self._ending(task)) for task in tasks if task.reference in done]

    def end(self, task: Task) -> None:
        """End a task by force, wherever it runs or waits."""
        self.ray.cancel(task.reference, force=True)

    def _mail(self) -> list[tuple[int, dict[str, Any]]]:
        try:
            return self.ray.get(self.box.take.remote(), timeout=10 * NEWS_SECONDS)
        except self.ray.exceptions.GetTimeoutError:  # a busy machine; what was taken then is lost, endings never are
            return []
        except self.ray.exceptions.RayActorError as error:  # it lives on this machine's own node of the cluster
            raise StoreError("this machine was cut off from the Ray cluster; finished work is kept, run the same "
                             "command again to go on") from error

    def _ending(self, task: Task) -> dict[str, Any]:
        errors = self.ray.exceptions
        try:
            ending = self.ray.get(task.reference)
        except errors.OutOfMemoryError:
            return {"kind": "lost", "error": f"machine {task.host or 'of the cluster'} ran out of memory"}
        except errors.NodeDiedError:
            return {"kind": "lost", "error": f"machine {task.host or 'of the cluster'} is gone"}
        except (errors.WorkerCrashedError, errors.ObjectLostError):
            return {"kind": "lost", "error": f"process on {task.host or 'a machine of the cluster'} was killed"}
        except errors.RayError as error:
            return {"kind": "broken", "error": one_line(getattr(error, "cause", None) or error)}
        if ending["kind"] == "unseen":
            raise StoreError(ending["error"])
        return ending


def _mailbox() -> type:
    # Made here, as the function below, so that Ray carries it by value and a machine need not have our code for it.
    class Mailbox:
        def __init__(self) -> None:
            self.events: list[tuple[int, dict[str, Any]]] = []

        def put(self, token: int, event: dict[str, Any]) -> None:
            self.events.append((token, event))

        def take(self) -> list[tuple[int, dict[str, Any]]]:
            taken, self.events = self.events, []
            return taken

    return Mailbox


def _performer() -> Callable[..., dict[str, Any]]:
    def perform(place: list[Any], call: list[Any], box: Any, token: int) -> dict[str, Any]:
        import os
        import socket
        import sys

        import ray

        project, folder, sign, own, variables = place
        for path in (project, folder, sign, *own):
            if not os.path.exists(path):  # noqa: PTH110  - carried by value, with as little as possible
                return {"kind": "unseen", "error": f"machine {socket.gethostname()} does not see {path}: the code, "
                        "modules of your own and --work-dir must lie where all machines of the cluster see them"}
        os.chdir(folder)
        sys.path.insert(0, project)
        sys.path.extend(own)
        os.environ.update(variables)
        function, arguments = ray.get(call[0])

        def send(event: dict[str, Any]) -> None:
            box.put.remote(token, event)  # not waited for: a lost word must not cost the work

        send({"kind": "started", "host": socket.gethostname()})
        return function(*arguments, send)

    return perform
