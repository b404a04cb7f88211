"""Commands and long-lived processes, each with a limit in time and a log file.

Invariant: a Process ends with its own process group, and dies with the test that started it.
"""

import ctypes
import os
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
# What every limit is multiplied by: a guest on a software processor is many times as slow.
PATIENCE = float(os.environ.get("CULVERT_TEST_PATIENCE", "1"))
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class CommandFailed(AssertionError):
    """A command that a test needs ended with a status other than 0, or took too long."""


def run(argv, timeout=15, check=True, env=None, stdin=None):
    """Runs to the end; the CompletedProcess has .stdout and .stderr as text.

    check: a status other than 0 raises CommandFailed. timeout: seconds; running out of time always
    raises. env: variables added to ours.
    """
    argv = [str(word) for word in argv]
    try:
        done = subprocess.run(argv, input=stdin, stdin=None if stdin else subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace",
                              timeout=timeout * PATIENCE,
                              env={**os.environ, **(env or {})})
    except subprocess.TimeoutExpired as late:
        raise CommandFailed(f"{' '.join(argv)}: not done after {timeout * PATIENCE:g} s\n"
                            f"{late.stdout or ''}{late.stderr or ''}") from None
    if check and done.returncode != 0:
        raise CommandFailed(f"{' '.join(argv)}: status {done.returncode}\n"
                            f"{done.stdout}{done.stderr}")
    return done


def wait_for(predicate, timeout=10, what="condition", interval=0.05):
    """The first true value of predicate(); after timeout seconds an AssertionError naming `what`.

    `what` may be a function: it is called only on failure, to say what was seen instead.
    """
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout * PATIENCE:g} s: "
                                 f"{what() if callable(what) else what}")
        time.sleep(interval)


class Process:
    """A process in the background. Its output, both streams, goes to the file `log`."""

    def __init__(self, argv, log, env=None, name=None):
        self.argv = [str(word) for word in argv]
        self.log = log
        self.name = name or os.path.basename(self.argv[0])
        with open(log, "ab") as output:
            self._log_begins = output.tell()
            self._process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, preexec_fn=_die_with_parent,
                env={**os.environ, **(env or {})})

    @property
    def pid(self):
        return self._process.pid

    def running(self):
        return self._process.poll() is None

    @property
    def status(self):
        """Exit status; negative: ended by that signal; None: still running."""
        return self._process.poll()

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as text:
            return text.read()

    def own_log_text(self):
        """Only what this process wrote: others may have used the same file before."""
        with open(self.log, "rb") as text:
            text.seek(self._log_begins)
            return text.read().decode("utf-8", errors="replace")

    def log_tail(self, lines=40):
        return "\n".join(self.log_text().splitlines()[-lines:])

    def signal(self, number):
        if self.running():
            self._process.send_signal(number)

    def wait(self, timeout=10):
        """The exit status; AssertionError when it still runs after timeout seconds."""
        try:
            return self._process.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {timeout * PATIENCE:g} s\n"
                                 f"{self.log_tail()}") from None

    def stop(self, timeout=10):
        """SIGTERM, after timeout seconds SIGKILL to its group. The exit status."""
        self.signal(signal.SIGTERM)
        try:
            self._process.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
        return self.status

    def kill(self):
        """SIGKILL to the process group, as a crash would end it."""
        if self.running():
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait(10)

    def wait_for_log(self, text, timeout=10):
        """Until `text` stands in the log; fails at once when the process has ended without it."""
        def seen():
            ended = not self.running()
            if text in self.own_log_text():
                return True
            if ended:
                raise AssertionError(f"{self.name} ended with status {self.status}, and never "
                                     f"said {text!r}\n{self.log_tail()}")
            return False
        wait_for(seen, timeout, lambda: f"{self.name} says {text!r}\n{self.log_tail()}")
