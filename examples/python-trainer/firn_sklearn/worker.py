"""The worker: takes trainings from its task queue, one at a time, until SIGINT or SIGTERM."""

import asyncio
import logging
import os
import signal
import threading
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from firn_sklearn.failure import Failure, Stopped
from firn_sklearn.training import train

TASK_QUEUE = "firn-train-sklearn"
# A fifth of the heartbeat time-out that Firn gives: a few late ones do no harm.
HEARTBEAT_SECONDS = 2


class Progress:
    """What the training thread is at, and whether it shall go on."""

    def __init__(self) -> None:
        self.text = ""
        self.stop = threading.Event()

    def note(self, text: str) -> None:
        self.text = text
        if self.stop.is_set():
            raise Stopped


@activity.defn(name="trainExternal")
async def train_external(request: dict[str, Any]) -> dict[str, Any]:
    """TrainingRequest -> TrainedModel. Equal requests give equal bytes, so another attempt does no harm."""
    progress = Progress()
    training = asyncio.create_task(asyncio.to_thread(train, request, progress.note))
    try:
        while not training.done():
            activity.heartbeat(progress.text)
            await asyncio.wait({training}, timeout=HEARTBEAT_SECONDS)
        return training.result()
    except Failure as error:
        raise ApplicationError(str(error), type=error.kind, non_retryable=error.kind != "io") from error
    except OSError as error:
        raise ApplicationError(str(error), type="io") from error
    finally:
        # Cancelled: the thread ends at its next note.
        progress.stop.set()
        await asyncio.wait({training})


async def work() -> None:
    address = os.environ.get("TEMPORAL_ADDRESS", "127.0.0.1:7233")
    namespace = os.environ.get("TEMPORAL_NAMESPACE", "default")
    api_key = os.environ.get("TEMPORAL_API_KEY")
    client = await Client.connect(address, namespace=namespace, api_key=api_key, tls=api_key is not None)
    task_queue = os.environ.get("FIRN_TASK_QUEUE", TASK_QUEUE)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with Worker(
        client,
        task_queue=task_queue,
        activities=[train_external],
        max_concurrent_activities=1,
        max_heartbeat_throttle_interval=timedelta(seconds=HEARTBEAT_SECONDS),
        graceful_shutdown_timeout=timedelta(seconds=30),
    ):
        logging.info("taking trainings from %s at %s", task_queue, address)
        await ended.wait()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    asyncio.run(work())
