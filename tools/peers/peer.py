"""What every peer does: stay on some processors, read cases, measure them."""

import json
import os
import statistics
import sys
import time


def pin(threads):
    """Keeps this process, threads that libraries start included, on as many processors."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def median_us(call, seconds):
    call()
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def serve(case, answers=sys.stdout):
    """Answers lines `NAME SIZES SECONDS`; `case(name, sizes)` gives what to call. Cases are made once."""
    known = {}
    for line in sys.stdin:
        name, sizes, seconds = line.split()
        try:
            if (name, sizes) not in known:
                known.clear()
                known[name, sizes] = case(name, [int(size) for size in sizes.split("x")])
            answer = {"us": median_us(known[name, sizes], float(seconds))}
        except Exception as error:
            answer = {"error": str(error)[:200] or repr(error)}
        print(json.dumps(answer), file=answers, flush=True)
