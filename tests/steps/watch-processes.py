"""Notes every argument vector and environment of any process on this box, lab machines included,
until it is stopped: `watch-processes.py FILE`. What was seen before is not noted again."""

import os
import sys
import time

# A process is looked at so many times: soon after its fork it becomes another program.
LOOKS = 4

looks = {}
seen = set()
with open(sys.argv[1], "wb", buffering=0) as notes:
    while True:
        present = {entry for entry in os.listdir("/proc") if entry.isdigit()}
        looks = {process: count for process, count in looks.items() if process in present}
        for process in present:
            count = looks.get(process, 0)
            if count == LOOKS:
                continue
            looks[process] = count + 1
            for what in ("cmdline", "environ"):
                try:
                    text = open(f"/proc/{process}/{what}", "rb").read()
                except OSError:
                    continue
                text = text.replace(b"\0", b" ").replace(b"\n", b" ")
                if text and hash(text) not in seen:
                    seen.add(hash(text))
                    notes.write(text + b"\n")
        time.sleep(0.03)
