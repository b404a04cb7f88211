"""Traffic through a tunnel while something happens to it."""

import re
import signal


class Traffic:
    """Pings through the tunnel every 10 ms until stop(); tells what was lost or came twice."""

    def __init__(self, pair):
        self._process = pair.ns_culvert.start(
            ["ping", "-n", "-i", "0.01", "-W", "2", "-I", pair.here.host, pair.there.host],
            name="ping")

    def stop(self):
        self._process.signal(signal.SIGINT)
        self._process.wait()
        text = self._process.own_log_text()
        sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received",
                                            text).groups())
        duplicates = re.search(r"\+(\d+) duplicates", text)
        return sent, sent - received, int(duplicates.group(1)) if duplicates else 0
