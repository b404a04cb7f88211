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
        answered = [int(number) for number in re.findall(r"icmp_seq=(\d+) ttl=", text)]
        # The answers to the last ones were under way when it stopped.
        sent = max(answered, default=0)
        return sent, sent - len(set(answered)), len(answered) - len(set(answered))
