"""Captions from a vision model behind any OpenAI-compatible endpoint, through the ``openai`` client.

The key is read from the environment, given to the client, and taken out of every message that is shown or stored.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmark.captioning.pipeline import CaptionFailed, EndpointStop
from benchmark.captioning.prompt import RESPONSE_FORMATS, again_messages, first_messages, read_answer
from benchmark.captioning.scenes import SceneFile, as_data_url, as_png, background
from benchmark.errors import ConfigError

MAX_ASKED = 3
"""Once, and again at most twice."""
MAX_TOKENS = 500
HIDDEN = "<key>"


@dataclass(frozen=True)
class Settings:
    """Where and how to ask."""

    model: str
    base_url: str | None = None
    """None for the client's own default."""
    key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key."""
    requests_per_minute: float = 60.0
    timeout: float = 60.0
    """Seconds an answer may take."""
    retries: int = 5
    """Tries after the first for 429, 5xx, timeouts and lost connections, with exponential back-off."""
    response_format: str = "json_object"


class Pace:
    """Lets calls through no faster than a rate, whichever thread they come from."""

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic,
                 sleep: Callable[[float], None] = time.sleep) -> None:
        self._interval, self._clock, self._sleep = 60.0 / per_minute, clock, sleep
        self._lock, self._next = threading.Lock(), 0.0

    def wait(self, *_: Any) -> None:
        """Return when it is this caller's turn."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            self._next = turn + self._interval
        if turn > now:
            self._sleep(turn - now)


class VisionEndpoint:
    """Describes scenes by asking a vision model.

    Raises:
        ConfigError: If the ``openai`` package or the key is missing, or the response format is unknown.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._key = os.environ.get(settings.key_env, "")
        if not self._key:
            raise ConfigError(f"no key in the environment variable {settings.key_env}; a server that wants none still "
                              "needs some word there")
        if settings.response_format not in RESPONSE_FORMATS:
            raise ConfigError(f"unknown response format {settings.response_format!r}; known: "
                              f"{', '.join(RESPONSE_FORMATS)}")
        try:
            import openai
        except ModuleNotFoundError as error:
            raise ConfigError("the openai package is missing; pip install 'saist-bench[caption]'") from error
        self._openai = openai
        # Every request goes through the pace, also those with which the client tries again.
        http = openai.DefaultHttpxClient(event_hooks={"request": [Pace(settings.requests_per_minute).wait]})
        self._client = openai.OpenAI(api_key=self._key, base_url=settings.base_url, timeout=settings.timeout,
                                     max_retries=settings.retries, http_client=http)

    def describe(self, scene: SceneFile) -> dict[str, Any]:
        """The scene's caption with ``by`` (the model), ``asked`` (times) and ``tokens`` (input, output).

        Raises:
            CaptionFailed: If no answer can be used, or this image was refused.
            EndpointStop: If asking for other images would fail alike (key, model or address are wrong).
            DataError: If the image or its mask cannot be read.
        """
        messages = first_messages(as_data_url(as_png(background(scene))))
        tokens, found = [0, 0], [""]
        for asked in range(1, MAX_ASKED + 1):
            answer = self._ask(messages, tokens)
            caption, found = read_answer(answer, scene.id)
            if not found:
                return caption | {"by": self.settings.model, "asked": asked, "tokens": tokens}
            messages = messages + again_messages(answer, found)
        raise CaptionFailed(f"{MAX_ASKED} answers could not be used: {'; '.join(found)}", tokens)

    def _ask(self, messages: list[dict[str, Any]], tokens: list[int]) -> str:
        openai, form = self._openai, RESPONSE_FORMATS[self.settings.response_format]
        try:
            response = self._client.chat.completions.create(
                model=self.settings.model, messages=messages, max_tokens=MAX_TOKENS, temperature=0.2,
                **({"response_format": form} if form else {}))
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise EndpointStop(self._said(error)) from None
        except (openai.OpenAIError, ValueError) as error:  # ValueError: a body that breaks off
            raise CaptionFailed(self._said(error), tokens) from None
        if not isinstance(response, openai.types.chat.ChatCompletion):
            raise CaptionFailed("the server's answer is not of OpenAI's protocol; is the address right?", tokens)
        if response.usage is not None:
            tokens[0] += response.usage.prompt_tokens or 0
            tokens[1] += response.usage.completion_tokens or 0
        message = response.choices[0].message if response.choices else None
        return (message.content or "") if message else ""

    def _said(self, error: Exception) -> str:
        # One line without the key: servers quote it in their answers.
        text = " ".join(str(error).replace(self._key, HIDDEN).split())
        return f"{type(error).__name__}: {text[:300]}"
