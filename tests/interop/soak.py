"""soak.py [SECONDS]: culvertd and charon rekey CHILD SAs every three seconds and the IKE SA every
seven, and reauthenticate every half a minute, under continuous traffic. No packet may be lost or
come twice. An hour unless told otherwise; exit status 1 when one did.
"""

import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sites import Pair
from traffic import Traffic

CHILD = "rekey_time = 3s\n rand_time = 500ms\n life_time = 60s"
CULVERT = {"options": "rekey_time = 7s\n rand_time = 1s\n reauth_time = 31s\n over_time = 60s",
           "child_options": CHILD.replace("500ms", "0")}
CHARON = {"options": "rekey_time = 11s\n rand_time = 1s\n over_time = 60s",
          "child_options": CHILD.replace("500ms", "1s").replace("= 3s", "= 4s")}
ROUND_S = 60


def count(pair, text):
    return len(re.findall(text, pair.culvert.log_text()))


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 3600
    pair = Pair(strongswan_conf="make_before_break = yes")
    bad = sent_in_all = 0
    try:
        pair.load(CULVERT, CHARON, esp="aes128gcm16-x25519")
        pair.culvert.initiate("net")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            traffic = Traffic(pair)
            time.sleep(min(ROUND_S, max(1, end - time.monotonic())))
            sent, lost, duplicates = traffic.stop()
            sent_in_all += sent
            bad += lost + duplicates
            print(f"{sent_in_all} packets; of the last {sent}, {lost} lost and {duplicates} twice; "
                  f"so far {count(pair, 'net: CHILD SA .* replaced')} CHILD SA rekeys, "
                  f"{count(pair, 'IKE SA rekeyed')} IKE SA rekeys, "
                  f"{count(pair, 'authenticating anew')} reauthentications", flush=True)
            if sent < 50:
                print("traffic stopped")
                bad += 1
    finally:
        pair.close(failed=bad > 0)
    print(f"{sent_in_all} packets, {bad} lost or twice")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
