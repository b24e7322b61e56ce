"""Whether the process has been asked to end: by Ctrl-C, by a scheduler's warning or at its time limit."""

import signal
from collections.abc import Callable

from trainsize.processes import asked_to_stop


class Interruption:
    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    _asked = False

    @classmethod
    def heed(cls, then: Callable[[], None] = lambda: None) -> None:
        """From now on do not die when a signal asks for it, but note it, and call `then`."""

        def ask(number: int, frame: object) -> None:
            cls._asked = True
            then()

        for number in cls.SIGNALS:
            signal.signal(number, ask)

    @classmethod
    def asked(cls) -> bool:
        return cls._asked or asked_to_stop()
